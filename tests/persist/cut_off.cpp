// SPDX-License-Identifier: MIT
/** Somebody makes the data file shorter under an open pool. */
#include "files.hpp"

using namespace libtm::testing;
using libtm::pool;

namespace {

/** What `body` prints to stderr in a child, and how that ended. */
std::pair<std::string, int> printed_by(const std::function<void()> &body)
{
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const int status = in_child([&] {
        ::dup2(ends[1], 2);
        body();
    });
    ::close(ends[1]);
    std::string text(65536, 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(ends[0], text.data(), text.size()))));
    ::close(ends[0]);
    return {text, status};
}

} // namespace

TEST(CutOff, P28_the_process_ends_with_a_message_that_names_the_file_and_the_last_state_is_untouched)
{
    const Directory directory;
    const std::string path = directory / "pool";
    {
        pool made{path, 1 << 20};
        made.data()[1000000] = 7;
        made.commit();
    }
    const auto sound = contents(path);
    if (has_sanitizer) ::setenv("ASAN_OPTIONS", "handle_sigbus=0", 1);
    const auto [text, status] = printed_by([&] {
        std::signal(SIGBUS, SIG_DFL); // a sanitizer's handler would be there before ours
        pool opened{path};
        std::filesystem::resize_file(path, 100000);
        volatile char byte = opened.data()[1000000];
        (void)byte;
    });
    ASSERT_TRUE(WIFSIGNALED(status)) << status << text;
    EXPECT_EQ(WTERMSIG(status), SIGBUS);
    EXPECT_NE(text.find("libtm: " + path), std::string::npos) << text;
    EXPECT_NE(text.find("shorter"), std::string::npos) << text;
    // What we left in the file is what was there.
    auto now = contents(path);
    EXPECT_TRUE(std::equal(now.begin() + 65536, now.end(), sound.begin() + 65536));
    const auto journal = contents(path + "-journal");
    now.insert(now.end(), sound.begin() + 100000, sound.end());
    fill(path, now); // the header says open, the journal belongs to it
    EXPECT_EQ(pool(path).data()[1000000], 7);
}

TEST(CutOff, P28_what_a_pool_has_grown_by_is_explained_too)
{
    const Directory directory;
    const std::string path = directory / "pool";
    if (has_sanitizer) ::setenv("ASAN_OPTIONS", "handle_sigbus=0", 1);
    const auto [text, status] = printed_by([&] {
        std::signal(SIGBUS, SIG_DFL); // a sanitizer's handler would be there before ours
        pool made{path, 4096};
        made.grow(1 << 20);
        std::filesystem::resize_file(path, 100000);
        volatile char byte = made.data()[1000000];
        (void)byte;
    });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) << status << text;
    EXPECT_NE(text.find("libtm: " + path), std::string::npos) << text;
}

TEST(CutOff, P28_a_handler_of_the_programs_own_stays)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        struct sigaction own{};
        own.sa_handler = [](int) { ::_exit(42); };
        ::sigaction(SIGBUS, &own, nullptr);
        pool opened{path, 1 << 20};
        std::filesystem::resize_file(path, 100000);
        volatile char byte = opened.data()[1000000];
        (void)byte;
    });
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST(CutOff, P28_a_commit_tells_and_poisons_and_the_last_state_opens_when_the_file_is_whole_again)
{
    const Directory directory;
    const std::string path = directory / "pool";
    for (const bool grows : {false, true}) {
        std::vector<char> sound;
        {
            pool made{path, 1 << 20, flags(TM_POOL_NO_THREAD)};
            std::strcpy(made.data(), "committed");
            made.commit();
            sound = contents(path);
            std::filesystem::resize_file(path, sound.size() - 4096);
            std::strcpy(made.data(), "forgotten");
            const auto journal = contents(path + "-journal");
            EXPECT_EQ(grows ? tm_pool_grow(made.handle(), 4 << 20) : tm_pool_commit(made.handle()), ESTALE);
            const Told told;
            EXPECT_EQ(told.code, ESTALE) << told.message;
            EXPECT_EQ(told.file, path);
            EXPECT_EQ(told.field, "size");
            EXPECT_EQ(told.found, std::to_string(sound.size() - 4096) + " bytes");
            EXPECT_EQ(told.expected, std::to_string(sound.size()));
            EXPECT_FALSE(told.remedy.empty());
            fill(path, sound);
            // Whole again or not: this handle is done.
            for (int i = 0; i < 2; ++i) {
                EXPECT_EQ(tm_pool_commit(made.handle()), EIO);
                EXPECT_EQ(Told().field, "poisoned");
                EXPECT_EQ(tm_pool_checkpoint(made.handle()), EIO);
                EXPECT_EQ(tm_pool_grow(made.handle(), 2 << 20), EIO);
                EXPECT_EQ(tm_pool_trim(made.handle()), EIO);
                tm_pool_stats stats;
                EXPECT_EQ(tm_pool_stat(made.handle(), &stats), 0);
                EXPECT_EQ(stats.poisoned, ESTALE);
            }
            EXPECT_EQ(tm_pool_close(tm_pool_open("", nullptr)), 0);
            EXPECT_EQ(contents(path + "-journal"), journal) << "P3: nothing more is written";
            EXPECT_EQ(code_of([&] { made.close(); }), EIO);
            EXPECT_EQ(contents(path), sound);
        }
        const pool opened{path};
        EXPECT_STREQ(opened.data(), "committed");
    }
}
