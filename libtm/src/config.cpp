// SPDX-License-Identifier: MIT
#include "config.hpp"

#include "alone.hpp"
#include "annotate.hpp"
#include "heap.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <pthread.h>
#include <span>
#include <string_view>
#include <tm/tm.h>

namespace libtm::engine {

constinit Config config;

namespace {

/** One option: a number in [least, most], or one of `names`, whose value is `least` + its place. */
struct Option {
    const char *name;
    Config::Value Config::*value;
    std::uint32_t least, most;
    const char *const *names;
    bool frozen; ///< fixed by the first transaction
    const char *meaning;
};

constexpr const char *mode_names[] = {"write-back", "write-through", "auto"};
constexpr const char *contention_names[] = {"suicide", "delay", "backoff", "timestamp"};
constexpr const char *detection_names[] = {"auto", "written", "copied", "pagemap", "kpageflags", "compare"};
constexpr const char *turns_names[] = {"off", "auto", "always"};
constexpr const char *switch_names[] = {"off", "on"};

constexpr Option table[] = {
    {"mode", &Config::mode, TM_WRITE_BACK, TM_MODE_AUTO, mode_names, false, "where new values wait"},
    {"contention", &Config::contention, 0, 3, contention_names, false, "who gives way when two transactions meet"},
    {"max_retries", &Config::max_retries, 0, 1000000, nullptr, false, "restarts before a transaction runs alone"},
    {"spin", &Config::spin, 0, 1000000, nullptr, false, "looks at something held before giving way or the processor away"},
    {"wait", &Config::wait, 0, 1000000, nullptr, false, "looks at a held orec between two attempts"},
    {"quiescence", &Config::quiescence, 0, 1, switch_names, false, "writers wait until nobody sees the old state"},
    {"bias", &Config::bias, 0, 1000000, nullptr, false, "transactions of one thread, and none of others, until it pays for no orecs; 0: never"},
    {"turns", &Config::turns, 0, 2, turns_names, false, "transactions run one at a time where that is faster"},
    {"orecs", &Config::orecs, 0, 28, nullptr, true, "log2 of the number of orecs"},
    {"clock_bits", &Config::clock_bits, 4, 60, nullptr, true, "width of the version clock"},
    {"detection", &Config::detection, 0, 5, detection_names, false, "how pools opened from now on find changed pages"},
    {"verbose", &Config::verbose, 0, 1, switch_names, false, "print this table at the first transaction"},
    {"shake", &Config::shake, 0, 1000000, nullptr, false, "of so many validations, one fails at random; 0: none"},
    {"shake_seed", &Config::shake_seed, 0, 1000000, nullptr, false, "which ones"},
};
constexpr std::size_t for_tests = annotate::can_shake ? 0 : 2; // the last options of the table, which this build does not have
constexpr std::span options(table, std::size(table) - for_tests);

const Option *find(std::string_view name)
{
    for (const Option &option : options)
        if (name == option.name) return &option;
    return nullptr;
}

/** The value that `text` stands for, or -1. */
std::int64_t parse(const Option &option, std::string_view text)
{
    if (option.names) {
        for (std::uint32_t i = option.least; i <= option.most; ++i)
            if (text == option.names[i - option.least]) return i;
        return -1;
    }
    std::uint32_t number = 0;
    const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc{} || stop != text.data() + text.size() || number < option.least || number > option.most) return -1;
    return number;
}

int print(const Option &option, char *buf, std::size_t size)
{
    const std::uint32_t value = get(config.*option.value);
    return option.names ? std::snprintf(buf, size, "%s", option.names[value - option.least]) : std::snprintf(buf, size, "%u", value);
}

char environment_error[160];
pthread_once_t environment_once = PTHREAD_ONCE_INIT;
pthread_mutex_t assign_mutex = PTHREAD_MUTEX_INITIALIZER;

int assign(std::string_view name, std::string_view text)
{
    const Option *const option = find(name);
    if (!option) return ENOENT;
    const std::int64_t value = parse(*option, text);
    if (value < 0) return EINVAL;
    pthread_mutex_lock(&assign_mutex);
    (config.*option->value).store(static_cast<std::uint32_t>(value), std::memory_order_seq_cst); // before who sets it looks whether the bias, or turns, must end
    const bool ages = get(config.contention) == static_cast<std::uint32_t>(Contention::timestamp);
    const auto begins_with = static_cast<std::uint8_t>((ages ? Manner::birth : 0) | (get(config.mode) == TM_MODE_AUTO ? Manner::automatic : 0));
    config.manner.store({0, get(config.mode) == TM_WRITE_THROUGH, get(config.quiescence) != 0, begins_with, false}, std::memory_order_relaxed);
    pthread_mutex_unlock(&assign_mutex);
    return 0;
}

void read_environment()
{
    const char *const conf = std::getenv("TM_CONF");
    std::string_view rest = conf ? conf : "";
    while (!rest.empty()) {
        const std::string_view item = rest.substr(0, rest.find(','));
        rest.remove_prefix(item.size() < rest.size() ? item.size() + 1 : item.size());
        if (item.empty()) continue;
        const std::size_t colon = item.find(':');
        const std::string_view name = item.substr(0, colon);
        const std::string_view text = colon == item.npos ? "on" : item.substr(colon + 1);
        const int fault = assign(name, text);
        if (fault && !environment_error[0])
            std::snprintf(environment_error, sizeof environment_error, "TM_CONF: %s '%.*s'; it is ignored",
                          fault == ENOENT ? "no such option:" : "not a value of its option:", static_cast<int>(item.size()), item.data());
    }
}

void read_environment_once() { pthread_once(&environment_once, read_environment); }

void print_table()
{
    for (const Option &option : options) {
        char value[32];
        print(option, value, sizeof value);
        std::fprintf(stderr, "libtm: %-12s %-14s %s\n", option.name, value, option.meaning);
    }
    if (environment_error[0]) std::fprintf(stderr, "libtm: %s\n", environment_error);
}

} // namespace

void Config::start()
{
    if (started_.exchange(true)) return;
    read_environment_once();
    if (get(verbose)) print_table();
}

int set_option(const char *name, const char *value)
{
    read_environment_once(); // so that it does not override what is set here
    if (!name || !value) return EINVAL;
    const Option *const option = find(name);
    if (option && option->frozen && config.started_.load()) return parse(*option, value) < 0 ? EINVAL : EBUSY;
    const int fault = assign(name, value);
    if (!fault && (option->value == &Config::bias || option->value == &Config::turns)) alone::end_for_good(self());
    return fault;
}

} // namespace libtm::engine

using namespace libtm::engine;

extern "C" int tm_config_set(const char *name, const char *value)
{
    return set_option(name, value);
}

extern "C" int tm_config_get(const char *name, char *buf, size_t size)
{
    read_environment_once();
    const std::string_view wanted = name ? name : "";
    if (wanted == "heap") return std::snprintf(buf, size, "%s", heap::name);
    if (wanted == "version") return std::snprintf(buf, size, "%s", TM_VERSION);
    const Option *const option = find(wanted);
    return option ? print(*option, buf, size) : -1;
}

extern "C" const char *tm_config_error(void)
{
    read_environment_once();
    return environment_error[0] ? environment_error : nullptr;
}
