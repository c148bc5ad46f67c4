// SPDX-License-Identifier: MIT
/** The header of a pool: what it records is checked, and damage to it never opens an older state. */
#include "inside.hpp"

using namespace libtm::testing;
using libtm::pool;

namespace {

/** A closed pool whose first byte is 'x'. */
void make_pool(const std::string &path)
{
    pool made{path, 30000};
    made.data()[0] = 'x';
    made.commit();
}

struct Forgery {
    const char *name;
    void (*change)(Header &);
    int code;
    const char *field;
};

const Forgery forgeries[] = {
    {"format", [](Header &h) { h.format = 2; }, ENOTSUP, "format"},
    {"word_size", [](Header &h) { h.word_size = 4; }, ENOTSUP, "word size"},
    {"page_size", [](Header &h) { h.page_size = 65536; }, ENOTSUP, "page size"},
    {"no_page_size", [](Header &h) { h.page_size = 0; }, ENOTSUP, "page size"},
    {"byte_order", [](Header &h) { h.byte_order = __builtin_bswap32(h.byte_order); }, ENOTSUP, "byte order"},
    {"no_byte_order", [](Header &h) { h.byte_order = 0x01020403; }, EBADMSG, "byte order"},
    {"magic", [](Header &h) { h.magic[7] ^= 1; }, EMEDIUMTYPE, "magic"},
    {"image_size_zero", [](Header &h) { h.image_size = 0; }, EBADMSG, "image size"},
    {"image_size_odd", [](Header &h) { h.image_size += 1; }, EBADMSG, "image size"},
    {"image_size_huge", [](Header &h) { h.image_size = h.reserve = ~0ull << 12; }, EBADMSG, "image size"},
    {"base_odd", [](Header &h) { h.base += 8; }, EBADMSG, "base"},
    {"base_huge", [](Header &h) { h.base = 1ull << 63; }, EBADMSG, "base"},
    {"reserve_small", [](Header &h) { h.reserve = h.image_size - h.page_size; }, EBADMSG, "reserve"},
    {"reserve_huge", [](Header &h) { h.reserve = 1ull << 62; }, EBADMSG, "reserve"},
    {"state", [](Header &h) { h.state = 0; }, EBADMSG, "state"},
    {"tail", [](Header &h) { h.tail = 0; }, EBADMSG, "tail"},
    {"heap_odd", [](Header &h) { h.heap = h.page_size + 1; }, EBADMSG, "heap"},
    {"heap_in_the_directory", [](Header &h) { h.heap = h.page_size; }, EBADMSG, "heap"},
    {"heap_behind_the_image", [](Header &h) { h.heap = h.image_size + h.page_size; }, EBADMSG, "heap"},
    {"heap_of_half_a_chunk", [](Header &h) { h.heap = h.image_size - h.page_size; }, EBADMSG, "heap"},
    {"layout_without_end", [](Header &h) { std::memset(h.layout, 'l', sizeof h.layout); }, EBADMSG, "layout"},
    {"longer_than_the_file", [](Header &h) { h.image_size += 1 << 20; }, EBADMSG, "size"},
};

class Forged : public ::testing::TestWithParam<Forgery> {};

} // namespace

TEST_P(Forged, P27_P22_a_header_that_says_so_is_refused_by_name)
{
    const Directory directory;
    const std::string path = directory / "pool";
    make_pool(path);
    for (int copy = 0; copy < 2; ++copy) {
        Header header = header_of(path, copy);
        GetParam().change(header);
        forge_header(path, copy, header);
    }
    const auto before = contents(path);
    for (const unsigned how : ways_to_open) {
        const Told told = expect_refused(path, GetParam().code, GetParam().field, flags(how));
        EXPECT_FALSE(told.found.empty()) << told.message;
        EXPECT_FALSE(told.expected.empty()) << told.message;
        EXPECT_FALSE(told.remedy.empty()) << told.message;
    }
    EXPECT_EQ(contents(path), before);
}
INSTANTIATE_TEST_SUITE_P(, Forged, ::testing::ValuesIn(forgeries), [](const auto &info) { return std::string(info.param.name); });

TEST(Headers, M6_one_damaged_copy_in_a_closed_pool_loses_nothing)
{
    const Directory directory;
    const std::string path = directory / "pool";
    make_pool(path);
    const auto sound = contents(path);
    for (int copy = 0; copy < 2; ++copy)
        for (const std::uint64_t at : {0, 30, 100, 4095}) {
            fill(path, sound);
            flip(path, copy * 4096 + at);
            for (const unsigned how : ways_to_open) {
                char first = 0;
                EXPECT_EQ(code_of([&] { first = pool(path, flags(how)).data()[0]; }), 0) << copy << " " << at << Told().message;
                EXPECT_EQ(first, 'x');
            }
        }
}

TEST(Headers, P22_two_damaged_copies_are_told)
{
    const Directory directory;
    const std::string path = directory / "pool";
    make_pool(path);
    flip(path, 100);
    flip(path, 4096 + 100);
    for (const unsigned how : ways_to_open) {
        const Told told = expect_refused(path, EBADMSG, "checksum", flags(how));
        EXPECT_EQ(told.found.rfind("0x", 0), 0u) << told.message;
        EXPECT_EQ(told.expected.rfind("0x", 0), 0u) << told.message;
    }
    EXPECT_EQ(tm_pool_error()->offset, 4092u);
}

/** How many lives, and commits in each, before the crash. */
class Damaged : public ::testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(Damaged, P2_a_header_damaged_after_a_crash_never_opens_an_older_state)
{
    const auto [lives, commits] = GetParam();
    const Directory directory;
    const std::string path = directory / "pool";
    int value = 0;
    for (int life = 0; life < lives; ++life) {
        and_be_killed([&] {
            pool opened{path, 30000, journal_of(16384, TM_POOL_NO_THREAD)}; // full after three commits: checkpoints come
            for (int i = 1; i <= commits; ++i) {
                opened.data<int>()[0] = value + i;
                opened.data<int>()[5000] = value + i;
                opened.commit();
            }
            die();
        });
        value += commits;
    }
    const auto sound = contents(path), journal = contents(path + "-journal");
    int opened = 0;
    for (int copy = 0; copy < 2; ++copy) {
        for (const unsigned how : ways_to_open) {
            fill(path, sound);
            fill(path + "-journal", journal);
            flip(path, copy * 4096 + 100);
            const int code = code_of([&] {
                pool pool{path, flags(how)};
                EXPECT_EQ(pool.data<int>()[0], value) << copy;
                EXPECT_EQ(pool.data<int>()[5000], value) << copy;
                ++opened;
            });
            EXPECT_TRUE(code == 0 || code == EBADMSG) << Told().message;
        }
    }
    EXPECT_GE(opened, 3) << "the older copy is not needed";
}
INSTANTIATE_TEST_SUITE_P(, Damaged, ::testing::Combine(::testing::Values(1, 2, 3), ::testing::Values(1, 3, 4, 11)), [](const auto &info) {
    return std::to_string(std::get<0>(info.param)) + "_lives_" + std::to_string(std::get<1>(info.param)) + "_commits";
});

TEST(Headers, P22_a_file_that_was_cut_off)
{
    const Directory directory;
    const std::string path = directory / "pool";
    make_pool(path);
    const auto sound = contents(path);
    for (const std::size_t size : {sound.size() - 1, sound.size() - 4096, std::size_t{65536}, std::size_t{8192}})
        for (const unsigned how : ways_to_open) {
            fill(path, {sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(size)});
            const Told told = expect_refused(path, EBADMSG, "size", flags(how));
            EXPECT_NE(told.found.find(std::to_string(size)), std::string::npos) << told.message;
            EXPECT_NE(told.expected.find(std::to_string(sound.size())), std::string::npos) << told.message;
            EXPECT_EQ(contents(path).size(), size);
        }
    fill(path, sound);
    EXPECT_EQ(pool(path).data()[0], 'x');
}

TEST(Headers, P31_bytes_behind_the_image_do_not_come_in_by_growing)
{
    const Directory directory;
    const std::string path = directory / "pool";
    make_pool(path);
    std::vector<char> longer = contents(path);
    longer.resize(longer.size() + 100000, 'f');
    fill(path, longer);
    pool opened{path};
    const std::size_t before = opened.size();
    opened.grow(before + 60000);
    for (std::size_t i = before; i < opened.size(); ++i) ASSERT_EQ(opened.data()[i], 0) << i;
}
