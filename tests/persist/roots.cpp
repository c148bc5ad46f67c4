// SPDX-License-Identifier: MIT
/** Roots: names for addresses; and pointers that bear being mapped elsewhere. */
#include "files.hpp"

#include <sys/mman.h>

using namespace libtm::testing;
using libtm::pool;
using libtm::pptr;

namespace {

std::string name_of(int number) { return "root" + std::to_string(number); }

/** Ends the transaction without effect. */
void cancelled(const std::function<void()> &body)
{
    EXPECT_THROW(libtm::atomically([&] {
                     body();
                     libtm::cancel(1);
                 }),
                 libtm::error);
}

} // namespace

TEST(Roots, M2_are_found_in_the_next_run_if_they_were_committed)
{
    const Directory directory;
    const std::string path = directory / "pool", longest(47, 'n');
    and_be_killed([&] {
        tm_pool_attr attr{};
        attr.durability = TM_DURABILITY_NONE;
        pool made{path, 10000, attr};
        made.set_root("first", made.data());
        made.set_root(longest.c_str(), made.data() + 9999);
        made.commit();
        made.set_root("late", made.data() + 1);
        die();
    });
    const pool opened{path};
    EXPECT_EQ(opened.root("first"), opened.data());
    EXPECT_EQ(opened.root(longest.c_str()), opened.data() + 9999);
    EXPECT_EQ(opened.root("late"), nullptr);
    EXPECT_EQ(opened.root("firs"), nullptr);
    EXPECT_EQ(opened.root("first "), nullptr);
}

TEST(Roots, M2_72_names_and_no_more)
{
    const Directory directory;
    pool made{directory / "pool", 10000};
    for (int i = 0; i < 72; ++i) made.set_root(name_of(i).c_str(), made.data() + i);
    EXPECT_EQ(tm_pool_set_root(made.handle(), "another", made.data()), ENOBUFS);
    EXPECT_EQ(Told().code, ENOBUFS);
    EXPECT_FALSE(Told().remedy.empty());
    EXPECT_EQ(made.root("another"), nullptr);
    made.set_root("root5", made.data() + 500); // one that is there changes
    made.set_root("root7", nullptr);           // one that is forgotten makes room
    EXPECT_EQ(made.root("root7"), nullptr);
    made.set_root("another", made.data() + 1);
    for (int i = 8; i < 72; ++i) EXPECT_EQ(made.root(name_of(i).c_str()), made.data() + i);
    EXPECT_EQ(made.root("root5"), made.data() + 500);
    EXPECT_EQ(made.root("another"), made.data() + 1);
    made.commit();
    made.close();
    const pool opened{directory / "pool"};
    EXPECT_EQ(opened.root("root71"), opened.data() + 71);
    EXPECT_EQ(opened.root("another"), opened.data() + 1);
}

TEST(Roots, M2_to_forget_a_name_that_is_not_there_needs_none)
{
    const Directory directory;
    pool made{directory / "pool", 10000};
    for (int i = 0; i < 72; ++i) made.set_root(name_of(i).c_str(), made.data() + i);
    EXPECT_EQ(tm_pool_set_root(made.handle(), "never", nullptr), 0) << Told().message;
    EXPECT_EQ(made.root("root71"), made.data() + 71);
}

TEST(Roots, M2_in_a_transaction_are_part_of_it)
{
    const Directory directory;
    pool made{directory / "pool", 10000};
    made.set_root("old", made.data() + 1);
    for (const tm_mode mode : {TM_WRITE_BACK, TM_WRITE_THROUGH}) {
        libtm::attr how{};
        how.mode = mode;
        EXPECT_THROW(libtm::atomically(how,
                                       [&] {
                                           made.set_root("new", made.data() + 2);
                                           made.set_root("old", made.data() + 3);
                                           EXPECT_EQ(made.root("new"), made.data() + 2);
                                           EXPECT_EQ(made.root("old"), made.data() + 3);
                                           libtm::cancel(1);
                                       }),
                     libtm::error);
        EXPECT_EQ(made.root("new"), nullptr);
        EXPECT_EQ(made.root("old"), made.data() + 1);
    }
    cancelled([&] { made.set_root("old", nullptr); });
    EXPECT_EQ(made.root("old"), made.data() + 1);
    libtm::atomically([&] {
        made.set_root("new", made.data() + 2);
        libtm::store(made.data<long>()[4], 5L);
    });
    EXPECT_EQ(made.root("new"), made.data() + 2);
}

TEST(Roots, M2_bad_names_and_addresses)
{
    const Directory directory;
    pool made{directory / "pool", 10000};
    const std::string too_long(48, 'n');
    for (const char *const name : {"", too_long.c_str(), static_cast<const char *>(nullptr)}) {
        EXPECT_EQ(tm_pool_set_root(made.handle(), name, made.data()), EINVAL);
        EXPECT_EQ(tm_pool_root(made.handle(), name), nullptr);
        EXPECT_EQ(Told().code, EINVAL);
    }
    int elsewhere;
    for (const void *const address : {static_cast<const void *>(&elsewhere), static_cast<const void *>(made.data() - 1), static_cast<const void *>(made.data() + made.size())})
        EXPECT_EQ(tm_pool_set_root(made.handle(), "root", address), EINVAL);
    EXPECT_EQ(made.root("root"), nullptr);
}

TEST(Roots, M2_no_pool_is_an_error_not_a_crash)
{
    tm_pool_stats stats;
    EXPECT_EQ(tm_pool_commit(nullptr), EINVAL);
    EXPECT_EQ(tm_pool_checkpoint(nullptr), EINVAL);
    EXPECT_EQ(tm_pool_trim(nullptr), EINVAL);
    EXPECT_EQ(tm_pool_grow(nullptr, 1), EINVAL);
    EXPECT_EQ(tm_pool_set_root(nullptr, "r", nullptr), EINVAL);
    EXPECT_EQ(tm_pool_root(nullptr, "r"), nullptr);
    EXPECT_EQ(tm_pool_stat(nullptr, &stats), EINVAL);
    EXPECT_EQ(tm_pool_close(nullptr), 0);
    EXPECT_EQ(tm_pool_data(nullptr), nullptr);
    EXPECT_EQ(tm_pool_size(nullptr), 0u);
    EXPECT_EQ(tm_pool_open(nullptr, nullptr), nullptr);
    EXPECT_EQ(tm_pool_backup(nullptr, "x", nullptr, nullptr, nullptr), EINVAL);
}

TEST(Pointers, M11_zeroed_memory_is_null_and_a_pointer_to_itself_is_not)
{
    alignas(pptr<int>) unsigned char zeros[sizeof(pptr<int>)] = {};
    EXPECT_EQ(std::launder(reinterpret_cast<pptr<int> *>(zeros))->get(), nullptr);
    static_assert(sizeof(pptr<int>) == 8);
    struct Node {
        pptr<Node> next;
    } node;
    EXPECT_FALSE(node.next);
    node.next = &node; // the distance is none
    EXPECT_TRUE(node.next);
    EXPECT_EQ(node.next.get(), &node);
    node.next = nullptr;
    EXPECT_EQ(node.next, nullptr);
}

TEST(Pointers, M11_copies_point_to_the_same_from_elsewhere)
{
    long objects[3] = {1, 2, 3};
    pptr<long> array[4];
    for (int i = 0; i < 3; ++i) array[i] = &objects[i];
    const pptr<long> copy = array[1];
    EXPECT_EQ(copy.get(), &objects[1]);
    array[3] = array[0];
    array[0] = array[2];
    EXPECT_EQ(array[3].get(), &objects[0]);
    EXPECT_EQ(*array[0], 3);
    EXPECT_EQ(array[0], array[2]);
    array[2] = array[2]; // its own
    EXPECT_EQ(array[2].get(), &objects[2]);
    pptr<pptr<long>> far = &array[1];
    EXPECT_EQ(**far, 2);
    EXPECT_EQ((*far).get(), &objects[1]);
    struct {
        char before[4];
        pptr<char> any;
        char after[4];
    } around;
    char *const own = reinterpret_cast<char *>(&around.any);
    for (char *byte = own - 4; byte != own + sizeof around.any + 4; ++byte) { // each distance around its own place, also those within it
        around.any = byte;
        if (byte == own + 1) EXPECT_FALSE(around.any) << "its second byte is what null stands for";
        else EXPECT_EQ(around.any.get(), byte);
    }
}

TEST(Pointers, M11_in_transactions_are_rolled_back)
{
    long object = 1, other = 2;
    pptr<long> pointer = &object;
    cancelled([&] {
        pointer.store(&other);
        EXPECT_EQ(pointer.load(), &other);
    });
    EXPECT_EQ(pointer.get(), &object);
    libtm::atomically([&] { pointer.store(nullptr); });
    EXPECT_EQ(pointer.get(), nullptr);
}

TEST(Pointers, M11_a_list_in_a_pool_bears_to_be_mapped_elsewhere)
{
    struct Node {
        pptr<Node> next;
        long value;
    };
    const Directory directory;
    const std::string path = directory / "pool";
    std::uint64_t base;
    {
        pool made{path, 100000};
        base = made.stat().base;
        Node *const nodes = made.data<Node>();
        for (long i = 0; i < 100; ++i) {
            Node &node = nodes[i * 37 % 100 * 50];
            node.value = i;
            node.next = i == 99 ? nullptr : &nodes[(i + 1) * 37 % 100 * 50];
        }
        made.set_root("list", &nodes[0]);
        made.commit();
    }
    void *const taken = ::mmap(reinterpret_cast<void *>(base), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT_EQ(taken, reinterpret_cast<void *>(base));
    {
        pool moved{path, flags(TM_POOL_ANYWHERE)};
        ASSERT_NE(moved.data(), reinterpret_cast<char *>(base) + 4096);
        long next = 0;
        for (Node *node = moved.root<Node>("list"); node; node = node->next.get()) EXPECT_EQ(node->value, next++);
        EXPECT_EQ(next, 100);
        moved.root<Node>("list")->value = 1000; // and what is stored there is found here
        moved.commit();
    }
    ::munmap(taken, 4096);
    EXPECT_EQ(pool(path).root<Node>("list")->value, 1000);
}
