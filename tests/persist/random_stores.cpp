// SPDX-License-Identifier: MIT
/**
 * Random stores against a model: in every life the pool begins with what the one before had committed, and no commit, checkpoint, growth, trim
 * or backup changes a byte of the memory.
 */
#include "files.hpp"

#include <sys/mman.h>

using namespace libtm::testing;
using libtm::pool;

namespace {

constexpr std::size_t first_size = 150000, most = 600000;

/** What must be durable: it outlives the process that commits. */
struct Durable {
    std::size_t size;
    std::uint64_t commits, groups;
    char bytes[most];
};


class RandomStores : public ::testing::TestWithParam<std::tuple<const char *, unsigned, std::uint64_t>> {};

/** One life of a pool in a child. */
class Life {
public:
    Life(const std::string &path, const tm_pool_attr &how, Durable &durable, std::uint64_t seed) : path_(path), pool_(path, how), durable_(durable), random_(seed)
    {
        DEMAND(pool_.size() == durable.size);
        DEMAND(std::memcmp(pool_.data(), durable.bytes, durable.size) == 0);
        model_.assign(durable.bytes, durable.bytes + durable.size);
    }

    void run(int steps)
    {
        for (int i = 0; i < steps; ++i) {
            step();
            DEMAND(pool_.size() == model_.size() && std::memcmp(pool_.data(), model_.data(), model_.size()) == 0);
        }
    }

private:
    void step()
    {
        switch (random_.below(16)) {
        case 0: pool_.checkpoint(); break;
        case 1: pool_.trim(); break;
        case 2: grow(); break;
        case 3: back_up(); break;
        case 4: put_back(); break;
        case 5:
        case 6:
        case 7:
        case 8:
        case 9: commit(); break;
        default:
            for (std::size_t i = random_.below(8); i-- > 0;) store();
        }
    }

    void store()
    {
        static constexpr std::size_t sizes[] = {1, 2, 8, 63, 64, 200, 4096, 9000};
        const std::size_t size = sizes[random_.below(std::size(sizes))];
        std::size_t at = random_.below(model_.size() - size);
        if (random_.below(3) == 0) at = at / 4096 * 4096;
        const char value = static_cast<char>(random_.below(3)); // few, so that much is stored that was there before
        std::memset(pool_.data() + at, value, size);
        std::memset(model_.data() + at, value, size);
    }

    /** Some pages become what was committed last. */
    void put_back()
    {
        for (std::size_t i = random_.below(20); i-- > 0;) {
            const std::size_t at = random_.below(durable_.size / 4096) * 4096;
            std::memcpy(pool_.data() + at, durable_.bytes + at, 4096);
            std::memcpy(model_.data() + at, durable_.bytes + at, 4096);
        }
    }

    void commit()
    {
        const bool changed = std::memcmp(model_.data(), durable_.bytes, durable_.size) != 0;
        const auto before = pool_.stat().groups;
        pool_.commit();
        const auto groups = pool_.stat().groups - before;
        // A file system that cannot say what it has in memory lets pages be journaled that have not changed.
        DEMAND(groups == (changed ? 1u : 0u) || (groups == 1 && pool_.stat().warning));
        std::memcpy(durable_.bytes, model_.data(), model_.size());
        ++durable_.commits;
        durable_.groups += changed;
    }

    void grow()
    {
        if (model_.size() > most - 50000) return;
        pool_.grow(model_.size() + 1 + random_.below(20000));
        model_.resize(pool_.size()); // the new bytes are zero, and durably so
        std::memset(durable_.bytes + durable_.size, 0, model_.size() - durable_.size);
        durable_.size = model_.size();
    }

    void back_up()
    {
        const std::string copy = path_ + "-copy";
        DEMAND(tm_pool_backup(path_.c_str(), copy.c_str(), nullptr, nullptr, nullptr) == 0);
        {
            const pool copied{copy, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)};
            DEMAND(copied.size() == durable_.size && std::memcmp(copied.data(), durable_.bytes, durable_.size) == 0);
        }
        std::filesystem::remove(copy);
    }

    std::string path_;
    pool pool_;
    Durable &durable_;
    Random random_;
    std::vector<char> model_;
};

} // namespace

TEST_P(RandomStores, P2_M3_M8_are_as_the_last_commit_left_them_after_kills_and_closes)
{
    const auto &[detection, flags, journal] = GetParam();
    const Option option{"detection", detection};
    // One of them on a disk, where pages come and go as they do for users.
    const Directory directory{std::string(detection) == "written" && flags == 0 ? std::getenv("TMPDIR") : in_memory()};
    const std::string path = directory / "pool";
    if (code_of([&] { pool(path, first_size); }) == ENOTSUP) GTEST_SKIP() << Told().message;
    void *const shared = ::mmap(nullptr, sizeof(Durable), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Durable &durable = *static_cast<Durable *>(shared);
    durable.size = pool(path, libtm::testing::flags(TM_POOL_READ_ONLY)).size();
    for (std::uint64_t life = 0; life < 4; ++life) {
        const bool killed = life % 3 != 2;
        tm_pool_attr how = journal_of(journal, flags);
        if (life % 2) how.keep = 65536;
        const int status = in_child([&] {
            Life one(path, how, durable, life * 1000 + journal + flags + static_cast<std::uint64_t>(detection[0]));
            one.run(30);
            if (killed) die();
        });
        ASSERT_TRUE(killed ? was_killed(status) : ended_well(status)) << "life " << life << ": " << status;
    }
    EXPECT_GT(durable.groups, 5u);
    const pool opened{path};
    EXPECT_EQ(std::memcmp(opened.data(), durable.bytes, durable.size), 0);
    ::munmap(shared, sizeof(Durable));
}

INSTANTIATE_TEST_SUITE_P(, RandomStores,
                         ::testing::Combine(::testing::Values("written", "copied", "pagemap", "kpageflags", "compare"), ::testing::Values(0u, unsigned{TM_POOL_NO_THREAD}),
                                            ::testing::Values(std::uint64_t{16384}, std::uint64_t{200000}, std::uint64_t{2 << 20})),
                         [](const auto &info) {
                             return std::string(std::get<0>(info.param)) + (std::get<1>(info.param) ? "_no_thread_" : "_") + std::to_string(std::get<2>(info.param));
                         });
