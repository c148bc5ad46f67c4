// SPDX-License-Identifier: MIT
/** P1, P2, P7, P9: a process is killed at a random moment, again and again, and what it leaves is checked by another one. */
#include "worker.hpp"

#include <chrono>
#include <memory>
#include <sys/mman.h>
#include <thread>

using namespace libtm::testing;

namespace {

bool is_long() { return std::getenv("TM_TEST_LONG") != nullptr; }

/** Where a ledger outlives a process. */
class SharedLedger {
public:
    SharedLedger() : ledger_(new (::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Ledger) {}
    ~SharedLedger() { ::munmap(ledger_, sizeof(Ledger)); }
    SharedLedger(const SharedLedger &) = delete;
    SharedLedger &operator=(const SharedLedger &) = delete;
    Ledger &operator*() const { return *ledger_; }
    Ledger *operator->() const { return ledger_; }

private:
    Ledger *ledger_;
};

struct Sums {
    unsigned long long kills = 0, at[activities] = {}, commits = 0, steps = 0, recoveries = 0, groups = 0;
} sums;

/** One pool, from its creation on, and the processes that die in it. */
class Era {
public:
    explicit Era(const Setting &setting) : setting_(setting), content_(setting.seed) {}

    /** A worker's life and death, and what is wrong afterwards. */
    std::string kill_one(Random &random)
    {
        ledger_->~Ledger();
        new (&*ledger_) Ledger;
        ledger_->begun = ledger_->acknowledged = content_.number();
        const std::uint64_t seed = random();
        const pid_t child = ::fork();
        if (child == 0) {
            work(setting_, *ledger_, seed);
            ::_exit(97);
        }
        wait(random);
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!was_killed(status)) return "it ended by itself: status " + std::to_string(status) + ", " + ledger_->failure;
        ++sums.kills;
        sums.commits += ledger_->commits;
        for (int i = 0; i < activities; ++i) sums.at[i] += ledger_->at[i] > 0;
        return check(random);
    }

private:
    /** Until it shall die. */
    void wait(Random &random) const
    {
        using namespace std::chrono;
        // Many die early, when they have hardly opened the pool; or over something that is done rarely.
        static constexpr std::size_t longest[] = {500, 2000, 5000, 25000};
        static constexpr Activity rare[] = {creating, opening, growing, checkpointing, closing};
        const std::size_t how = random.below(6);
        if (how >= 4) {
            const std::atomic<int> &at = ledger_->at[rare[random.below(std::size(rare))]];
            for (const auto end = steady_clock::now() + milliseconds(25); at == 0 && steady_clock::now() < end;) std::this_thread::yield();
        }
        if (const std::size_t delay = random.below(how < 4 ? longest[how] : 200); delay > 20) std::this_thread::sleep_for(microseconds(delay));
    }

    std::string check(Random &random)
    {
        const std::uint64_t before = content_.number();
        content_.advance(ledger_->acknowledged);
        is_there_ |= ledger_->created != 0;
        const std::size_t how = random.below(4); // often nobody recovers it but the next worker, which may die over it
        try {
            if (how != 0) {
                const std::string fault = check_as(TM_POOL_READ_ONLY);
                if (!fault.empty()) return "read only: " + fault;
            }
            if (how < 2) {
                const std::string fault = check_as(0);
                if (!fault.empty()) return fault;
            }
        } catch (const libtm::pool_error &failure) {
            if (failure.code() != ENOENT || is_there_) return failure.what();
        }
        sums.steps += content_.number() - before;
        return {};
    }

    std::string check_as(unsigned flags)
    {
        tm_pool_attr attr = setting_.attr();
        attr.flags = flags | TM_POOL_NO_THREAD;
        libtm::pool pool(setting_.path, attr);
        is_there_ = true;
        const tm_pool_stats stats = pool.stat();
        sums.recoveries += stats.recovered > 0;
        sums.groups += stats.recovered;
        const std::string fault = content_.fault(pool.data(), pool.size(), ledger_->begun);
        pool.close();
        return fault;
    }

    Setting setting_;
    Content content_; ///< what must be there at least
    bool is_there_ = false;
    SharedLedger ledger_;
};

/** Of pool number `number`. */
Setting setting_of(unsigned number, const Directory &directory)
{
    static constexpr std::uint64_t journals[] = {4 * 4096, 0, 16 * 4096, 100000};
    Setting setting;
    setting.path = directory / ("pool" + std::to_string(number));
    setting.seed = number + 1;
    setting.journal = journals[number % 4];
    setting.keep = number % 3 == 2 ? 8 * Content::page : 0;
    setting.flags = number % 5 == 4 ? TM_POOL_NO_THREAD : 0;
    setting.threads = 1 + number % 3;
    setting.mode = number / 2 % 2 ? "write-through" : "write-back";
    return setting;
}

/** In memory and on a disk in turn: what a kill leaves does not depend on it, but how long calls take does. */
const char *base_of(unsigned number)
{
    return number % 4 == 3 || ::access("/dev/shm", W_OK) != 0 ? std::getenv("TMPDIR") : "/dev/shm";
}

} // namespace

TEST(Soak, the_content_tells_what_is_lost_mixed_and_phantom)
{
    Content is(7);
    is.advance(1000);
    const auto fault_of = [&](std::size_t size, auto &&change, std::uint64_t least, std::uint64_t most) {
        std::string memory = is.memory();
        change(memory);
        Content known(7);
        known.advance(least);
        return known.fault(memory.data(), size, most);
    };
    const auto nothing = [](std::string &) {};
    EXPECT_EQ(fault_of(Content::last_size, nothing, 0, 1000), "");
    EXPECT_EQ(fault_of(Content::last_size, nothing, 1000, 1000), "");
    EXPECT_TRUE(fault_of(Content::last_size, nothing, 1001, 1002).starts_with("lost"));
    EXPECT_TRUE(fault_of(Content::last_size, nothing, 0, 999).starts_with("phantom"));
    EXPECT_TRUE(fault_of(Content::first_size, nothing, 0, 1000).starts_with("too short"));
    for (const std::size_t byte : {Content::first_byte, 3 * Content::page, Content::last_size - 1})
        EXPECT_TRUE(fault_of(Content::last_size, [&](std::string &memory) { ++memory[byte]; }, 0, 1000).starts_with("mixed")) << byte;
    Content next(7);
    next.advance(1001);
    for (const Content::Edit &edit : next.edits(1001))
        EXPECT_TRUE(fault_of(Content::last_size, [&](std::string &memory) { memory.replace(edit.offset, edit.bytes.size(), edit.bytes); }, 0, 1001).starts_with("mixed"))
            << "a step of which only the number is missing";
}

TEST(Soak, P1_P2_P7_P9_what_killed_processes_leave_is_a_state_they_committed)
{
    constexpr unsigned kills_each = 25;
    const unsigned eras = is_long() ? 40000 : has_sanitizer ? 5 : 40;
    Random random(static_cast<std::uint64_t>(::getpid()) ^ static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
    unsigned violations = 0;
    for (unsigned number = 0; number < eras && violations == 0; ++number) {
        const Directory directory(base_of(number));
        Era era(setting_of(number, directory));
        for (unsigned i = 0; i < kills_each; ++i) {
            const std::string wrong = era.kill_one(random);
            if (wrong.empty()) continue;
            ++violations;
            ADD_FAILURE() << "pool " << number << ", kill " << i << ": " << wrong;
            break;
        }
    }
    std::printf("explored: %llu kills, %llu commits, %llu steps, %llu recoveries of %llu groups by the checking process, %u violations\n", sums.kills, sums.commits, sums.steps,
                sums.recoveries, sums.groups, violations);
    std::string text;
    for (int i = 0; i < activities; ++i) text += (i ? ", " : "") + std::to_string(sums.at[i]) + " " + activity_names[i];
    std::printf("explored: kills by what a thread was at: %s\n", text.c_str());
    if (!has_sanitizer) {
        for (const Activity activity : {opening, committing, checkpointing, trimming, growing, closing}) EXPECT_GT(sums.at[activity], 0u) << "nobody died " << activity_names[activity];
    }
}
