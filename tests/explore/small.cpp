// SPDX-License-Identifier: MIT
// Every pair of small transactions. A transaction is a word over the operations below; a run of a pair is right if some serial order of the
// two explains everything that each attempt saw, also of those that were rolled back, and the final state.
#include "suite.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace libtm::test {

namespace {

// l L: load of location 0, 1. s S: store. p P: privatize, then plain load and plain store. m: make a block and put it into the box. f: take
// the block out of the box, read it, free it. g: log an entry. r: restart, once. a: abort.
constexpr const char *operations = "lLsSpPmfgra";
constexpr unsigned threads = 2, most_operations = 3, most_attempts = 64;

using Text = std::array<char, most_operations + 1>;

struct alignas(64) Shared {
    Cell location[2];
    struct alignas(64) {
        long *block;
    } box;
} shared;

long fresh(unsigned thread, unsigned index) { return 10 * (thread + 1) + index; }

/** What an attempt has seen, in order. */
struct Seen {
    unsigned count = 0;
    std::array<long, most_operations> values{};
    void add(long value) { values[count++] = value; }
    bool is_prefix_of(const Seen &other) const
    {
        return count <= other.count && std::equal(values.begin(), values.begin() + count, other.values.begin());
    }
};

struct Record {
    unsigned attempts = 0;
    std::array<Seen, most_attempts> seen;
    bool committed = false;
    bool restarted = false;
    int logged = 0, applied = 0, undone = 0;
};
Record records[threads];

// ---- the reference: one transaction after the other

struct State {
    long location[2] = {1, 2};
    long box = 3;      ///< the block's value; 0: empty
    long blocks = 1;   ///< alive
    bool operator==(const State &) const = default;
};

/** Run a transaction on the state. */
Seen run_alone(const Text &text, unsigned thread, State &state)
{
    Seen seen;
    for (unsigned i = 0; text[i]; ++i) {
        const char op = text[i];
        switch (op) {
        case 'l': case 'L': seen.add(state.location[op == 'L']); break;
        case 's': case 'S': state.location[op == 'S'] = fresh(thread, i); break;
        case 'p': case 'P':
            seen.add(state.location[op == 'P']);
            state.location[op == 'P'] = fresh(thread, i);
            break;
        case 'm':
            state.box = fresh(thread, i);
            ++state.blocks;
            break;
        case 'f':
            seen.add(state.box);
            if (state.box) --state.blocks;
            state.box = 0;
            break;
        default: break;
        }
    }
    return seen;
}

bool aborts(const Text &text) { return std::strchr(text.data(), 'a') != nullptr; }

State final_state()
{
    State state;
    for (unsigned i = 0; i < 2; ++i) state.location[i] = shared.location[i].value;
    state.box = shared.box.block ? *shared.box.block : 0;
    state.blocks = static_cast<long>(explore::live_blocks());
    return state;
}

/** Whether `first` before the other explains what was seen. */
bool explains(const std::array<Text, threads> &texts, unsigned first)
{
    const unsigned second = 1 - first;
    const State start;
    State after_first = start;
    const Seen by_first = run_alone(texts[first], first, after_first);
    if (aborts(texts[first])) after_first = start;
    State after_second = after_first;
    const Seen by_second = run_alone(texts[second], second, after_second);
    if (aborts(texts[second])) after_second = after_first;

    const auto last = [](const Record &record) { return record.seen[record.attempts - 1]; };
    const auto same = [](const Seen &a, const Seen &b) { return a.count == b.count && a.is_prefix_of(b); };
    if (!same(last(records[first]), by_first) || !same(last(records[second]), by_second)) return false;
    if (!(final_state() == after_second)) return false;

    State early = start; // what the second one's attempts see before the first has committed
    const Seen by_early = run_alone(texts[second], second, early);
    for (unsigned i = 0; i < records[first].attempts; ++i)
        if (!records[first].seen[i].is_prefix_of(by_first)) return false;
    for (unsigned i = 0; i < records[second].attempts; ++i)
        if (!records[second].seen[i].is_prefix_of(by_second) && !records[second].seen[i].is_prefix_of(by_early)) return false;
    return true;
}

// ---- the real thing

void run_operation(char op, unsigned thread, unsigned index, Record &record, Seen &seen)
{
    const unsigned at = op == 'L' || op == 'S' || op == 'P';
    switch (op) {
    case 'l': case 'L': seen.add(shared.location[at].get()); break;
    case 's': case 'S': shared.location[at].set(fresh(thread, index)); break;
    case 'p': case 'P': {
        long &mine = shared.location[at].value;
        tm_privatize(&mine, sizeof mine, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
        seen.add(mine);
        mine = fresh(thread, index);
        break;
    }
    case 'm': {
        auto *const block = static_cast<long *>(tm_malloc(sizeof(long)));
        *block = fresh(thread, index);
        store(shared.box.block, block);
        break;
    }
    case 'f': {
        long *const block = load(shared.box.block);
        seen.add(block ? load(*block) : 0);
        tm_free(block);
        store(shared.box.block, static_cast<long *>(nullptr));
        break;
    }
    case 'g': {
        Record *const mine = &record;
        ++record.logged;
        tm_log([](void *r) { return ++(*static_cast<Record **>(r))->applied, 0; }, [](void *r) { ++(*static_cast<Record **>(r))->undone; }, nullptr,
               &mine, sizeof mine);
        break;
    }
    case 'r':
        if (!record.restarted) {
            record.restarted = true;
            restart();
        }
        break;
    default: cancel(1);
    }
}

void run_transaction(const Text &text, unsigned thread, const Variant &variant)
{
    Record &record = records[thread];
    try {
        atomically(variant.how(thread), [&] {
            check(record.attempts < most_attempts, "too many attempts");
            Seen &seen = record.seen[record.attempts++];
            seen.count = 0;
            for (unsigned i = 0; text[i]; ++i) run_operation(text[i], thread, i, record, seen);
        });
        record.committed = true;
    } catch (const error &) {
    }
}

Program make_program(const std::array<Text, threads> &texts, const Variant &variant)
{
    shared.location[0].value = 1;
    shared.location[1].value = 2;
    shared.box.block = static_cast<long *>(tm_malloc(sizeof(long)));
    *shared.box.block = 3;
    for (auto &record : records) record = {};
    Program program;
    for (unsigned i = 0; i < threads; ++i) program.threads.push_back([=] { run_transaction(texts[i], i, variant); });
    program.after = [=] {
        for (unsigned i = 0; i < threads; ++i) {
            const Record &record = records[i];
            check(record.committed != aborts(texts[i]), "a transaction has not ended as it should");
            const int entries = static_cast<int>(std::ranges::count(texts[i], 'g'));
            check(record.applied == (record.committed ? entries : 0) && record.undone == record.logged - record.applied, "log entries are not applied or undone once");
        }
        check(explains(texts, 0) || explains(texts, 1), "no serial order of the two explains what they have seen and left");
    };
    return program;
}

explore::Options options_of(const std::string &name, const Variant &variant)
{
    explore::Options options;
    options.name = name.c_str();
    options.orecs = variant.orecs;
    return options;
}

std::string name_of(const std::array<Text, threads> &texts, const Variant &variant)
{
    return std::string("small:") + texts[0].data() + "|" + texts[1].data() + "/" + variant.name();
}

/**
 * All transactions up to a length. Left out: what follows an abort; a second restart; a restart of nothing.
 */
std::vector<Text> all_transactions(unsigned length)
{
    std::vector<Text> all;
    std::vector<Text> longer{Text{}};
    for (unsigned size = 1; size <= length; ++size) {
        std::vector<Text> grown;
        for (const Text &text : longer)
            for (const char *op = operations; *op; ++op) {
                if (aborts(text) || (*op == 'r' && (size == 1 || std::strchr(text.data(), 'r')))) continue;
                Text next = text;
                next[size - 1] = *op;
                grown.push_back(next);
            }
        all.insert(all.end(), grown.begin(), grown.end());
        longer = std::move(grown);
    }
    return all;
}

constexpr const char *writes = "sSpPmf";

/** 0, 1: the locations; 2: the box. */
unsigned touched(const Text &text, bool writing)
{
    unsigned mask = 0;
    for (const char *op = text.data(); *op; ++op) {
        if (writing && !std::strchr(writes, *op)) continue;
        if (std::strchr("lsp", *op)) mask |= 1;
        if (std::strchr("LSP", *op)) mask |= 2;
        if (std::strchr("mf", *op)) mask |= 4;
    }
    return mask;
}

/**
 * Whether this pair says something that no other does. Left out: pairs that share nothing which one of them writes (their schedules
 * commute, but for the clock); the same pair with threads or locations exchanged.
 */
bool counts(const Text &a, const Text &b)
{
    if (!(touched(a, true) & touched(b, false)) && !(touched(b, true) & touched(a, false))) return false;
    for (const char *op = a.data(); *op; ++op) { // the first location named is 0
        if (std::strchr("lsp", *op)) return true;
        if (std::strchr("LSP", *op)) return false;
    }
    for (const char *op = b.data(); *op; ++op) {
        if (std::strchr("lsp", *op)) return true;
        if (std::strchr("LSP", *op)) return false;
    }
    return true;
}

} // namespace

void explore_small_programs(const Effort &effort, Totals &totals)
{
    static constexpr unsigned orecs[] = {4, 0, 1, 2};
    const auto all = all_transactions(effort.small_length);
    unsigned number = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = i; j < all.size(); ++j) {
            if (!counts(all[i], all[j])) continue;
            if (++number % effort.parts != effort.part) continue;
            for (const auto buffering : {Buffering::write_back, Buffering::write_through, Buffering::mixed}) {
                const Variant variant{buffering, orecs[number / effort.parts % 4]};
                const std::array<Text, threads> texts{all[i], all[j]};
                const std::string name = name_of(texts, variant);
                explore::Options options = options_of(name, variant);
                options.preemptions = effort.small_preemptions;
                totals.add(explore::explore(options, [&] { return make_program(texts, variant); }), name);
                if (totals.failures >= effort.stop_after_failures) return;
            }
        }
}

bool replay_small_program(const std::string &name, const std::string &schedule)
{
    char first[16], second[16], buffering[16];
    unsigned orecs;
    if (std::sscanf(name.c_str(), "small:%15[a-zA-Z]|%15[a-zA-Z]/%15[a-z]/%u", first, second, buffering, &orecs) != 4) return false;
    std::array<Text, threads> texts{};
    if (std::strlen(first) > most_operations || std::strlen(second) > most_operations) return false;
    std::strcpy(texts[0].data(), first);
    std::strcpy(texts[1].data(), second);
    const Variant variant{*buffering == 'm' ? Buffering::mixed : !std::strcmp(buffering, "wb") ? Buffering::write_back : Buffering::write_through, orecs};
    explore::Options options = options_of(name, variant);
    options.replay = schedule;
    explore::name_memory(&shared.location[0], sizeof(Cell), "location 0");
    explore::name_memory(&shared.location[1], sizeof(Cell), "location 1");
    explore::name_memory(&shared.box, sizeof shared.box, "box");
    explore::explore(options, [&] { return make_program(texts, variant); }).print();
    return true;
}

} // namespace libtm::test
