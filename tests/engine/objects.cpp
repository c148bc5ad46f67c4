// SPDX-License-Identifier: MIT
// G4: objects made and destroyed in transactions; tm_retire: once, and only after the commit.
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

std::atomic<int> alive, destroyed, in_transaction;

struct Object {
    explicit Object(int value) : value(value) { alive.fetch_add(1); }
    ~Object()
    {
        alive.fetch_sub(1);
        destroyed.fetch_add(1);
        if (tm_in_transaction()) in_transaction.fetch_add(1);
    }
    Object(const Object &) = delete;
    Object &operator=(const Object &) = delete;
    int value;
    std::string text = "long enough not to be stored in the object itself";
};

class Objects : public Modes {
protected:
    void SetUp() override { alive = destroyed = in_transaction = 0; }

    /** Destruction may be late, by any later transaction: run some until it has come. */
    template <class Done> static bool eventually(Done done)
    {
        static Cell cell;
        for (int i = 0; i < 100000 && !done(); ++i) {
            tx([] { store(cell.value, load(cell.value) + 1); });
            if (i % 100 == 99) // what waits in batches gets its batch
                tx([] {
                    for (int k = 0; k < 100; ++k) tm_retire(nullptr, [](void *) {});
                });
        }
        return done();
    }
};
TM_MODES_SUITE(Objects);

TEST_P(Objects, G4_make_and_destroy)
{
    Object *const object = tx([] { return make<Object>(7); });
    EXPECT_EQ(object->value, 7);
    EXPECT_EQ(alive, 1);
    tx([&] {
        destroy(object);
        EXPECT_EQ(destroyed, 0); // after the commit
    });
    EXPECT_TRUE(eventually([] { return destroyed > 0; }));
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(in_transaction, 0);
}

TEST_P(Objects, G4_rollback_of_destroy_keeps_the_object)
{
    Object *const object = tx([] { return make<Object>(7); });
    for (int i = 0; i < 100; ++i)
        EXPECT_THROW(tx([&] {
                         destroy(object);
                         cancel(1);
                     }),
                     error);
    EXPECT_FALSE(eventually([] { return destroyed > 0; }));
    EXPECT_EQ(object->value, 7);
    EXPECT_EQ(object->text.size(), std::strlen("long enough not to be stored in the object itself"));
    destroy(object); // outside: at once
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(alive, 0);
}

TEST_P(Objects, G4_overaligned_and_trivial_types)
{
    struct alignas(128) Wide {
        char bytes[128];
    };
    Wide *const wide = tx([] { return make<Wide>(); });
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(wide) % 128, 0u);
    int *const number = tx([] { return make<int>(5); });
    EXPECT_EQ(*number, 5);
    tx([&] {
        destroy(wide);
        destroy(number);
        destroy(static_cast<Object *>(nullptr));
    });
}

TEST_P(Objects, G4_throwing_constructor)
{
    struct Thrower {
        Thrower() { throw std::runtime_error("mine"); }
    };
    EXPECT_THROW(tx([] { make<Thrower>(); }), std::runtime_error); // its block is given back by the rollback
}

TEST_P(Objects, G4_bad_alloc_without_memory)
{
    struct Huge {
        char bytes[std::size_t{1} << 59]; // more than any machine has
    };
    const auto make_it = [] { make<Huge>(); };
    EXPECT_THROW(atomically(how(TM_NULL_ON_OOM), make_it), std::bad_alloc);
    EXPECT_THROW(tx(make_it), error);
}

std::atomic<int> retired;

TEST_P(Objects, G4_retire_once_and_only_after_the_commit)
{
    const auto count = [](void *) { retired.fetch_add(1); };
    retired = 0;
    int attempts = 0;
    tx([&] {
        EXPECT_EQ(tm_retire(&attempts, count), 0);
        EXPECT_EQ(retired, 0);
        if (++attempts < 4) restart();
    });
    EXPECT_TRUE(eventually([] { return retired > 0; }));
    EXPECT_EQ(retired, 1);
    EXPECT_THROW(tx([&] {
                     tm_retire(&attempts, count);
                     cancel(1);
                 }),
                 error);
    EXPECT_FALSE(eventually([] { return retired > 1; }));
    EXPECT_EQ(tm_retire(&attempts, count), 0);
    EXPECT_EQ(retired, 2); // outside: at once
}

TEST_P(Objects, G4_a_destructor_may_run_transactions)
{
    static Cell cell;
    cell.value = 0;
    retired = 0;
    for (int i = 0; i < 10; ++i)
        tx([] {
            tm_retire(nullptr, [](void *) {
                atomically([] {
                    store(cell.value, load(cell.value) + 1);
                    tm_retire(nullptr, [](void *) { retired.fetch_add(1); }); // and retire more
                });
            });
        });
    EXPECT_TRUE(eventually([] { return retired == 10; }));
    EXPECT_EQ(cell.value, 10);
}

TEST_P(Objects, G4_what_an_ended_thread_retired_is_destroyed)
{
    retired = 0;
    std::thread([] {
        for (int i = 0; i < 10; ++i) tx([] { tm_retire(nullptr, [](void *) { retired.fetch_add(1); }); });
    }).join();
    EXPECT_TRUE(eventually([] { return retired == 10; }));
}

class ObjectsConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(ObjectsConcurrent);

TEST_P(ObjectsConcurrent, G4_readers_see_living_objects_only)
{
    struct Seen {
        std::atomic<int> magic{42};
        ~Seen() { magic = 0; }
    };
    struct {
        alignas(64) Seen *object;
    } slot{make<Seen>()};
    std::atomic<int> dead{0};
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            if (i % 4 == 0)
                atomically(how(me, i % 8 ? unsigned{TM_NO_QUIESCENCE} : 0u), [&] {
                    destroy(load(slot.object));
                    store(slot.object, make<Seen>());
                });
            else
                atomically(how(me), [&] {
                    // What a destructor destroys is not transactional memory: that nobody sees the object any more is all it has.
                    if (load(slot.object)->magic.load() != 42) dead.fetch_add(1);
                });
        }
    });
    destroy(slot.object);
    EXPECT_EQ(dead.load(), 0);
}

} // namespace
