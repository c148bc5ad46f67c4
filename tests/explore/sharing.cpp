// SPDX-License-Identifier: MIT
// P13, P14: memory that is published, privatized, freed. Plain accesses are watched for races and for freed memory by the explorer itself.
#include "suite.hpp"

#include <atomic>
#include <sched.h>
#include <utility>

namespace libtm::test {
namespace {

Cell shared, data, more;
Cell done;

void start_cells()
{
    shared.value = 1;
    data.value = more.value = 0;
    done.value = 0;
    explore::name_memory(&shared, sizeof shared, "shared");
    explore::name_memory(&data, sizeof data, "data");
    explore::name_memory(&more, sizeof more, "more");
    explore::name_memory(&done, sizeof done, "done");
}

/** Uses the data while it is shared. */
void use_if_shared(const Variant &v, unsigned me)
{
    atomically(v.how(me), [] {
        if (!shared.get()) return;
        const long a = data.get();
        data.set(a + 1);
        more.set(a + 1);
    });
}

void use_plainly()
{
    check(data.value == more.value, "what was privatized has changed by half");
    data.value = 100;
    more.value = 100;
    check(data.value == 100 && more.value == 100, "what was privatized is written by others");
}

Program privatization(const Variant &v)
{
    start_cells();
    return {{[=] {
                 atomically(v.how(0), [] { shared.set(0); });
                 use_plainly();
             },
             [=] { use_if_shared(v, 1); }},
            [] { check(data.value == 100 && more.value == 100, "what was privatized is written by others"); }};
}

/** One takes it out of sharing, another uses it. */
Program privatization_through_a_third_thread(const Variant &v)
{
    start_cells();
    return {{[=] { atomically(v.how(0), [] { shared.set(0); }); }, [=] { use_if_shared(v, 1); },
             [=] {
                 if (atomically(v.how(2), [] { return shared.get(); }) == 0) use_plainly();
             }},
            [] { check(data.value == more.value, "what was privatized is written by others"); }};
}

/** A reader that is doomed by the privatization must not see the plain stores. */
Program privatization_under_a_reader(const Variant &v)
{
    start_cells();
    return {{[=] {
                 atomically(v.how(0), [] { shared.set(0); });
                 use_plainly();
             },
             [=] {
                 atomically(v.how(1, TM_READ_ONLY), [] {
                     if (shared.get()) check(data.get() == 0 && more.get() == 0, "an attempt has seen what plain code wrote later");
                 });
             }}};
}

Program publication(const Variant &v)
{
    start_cells();
    shared.value = 0;
    return {{[=] {
                 data.value = 5;
                 more.value = 5;
                 atomically(v.how(0), [] { shared.set(1); });
             },
             [=] {
                 const long seen = atomically(v.how(1), [] { return shared.get() ? data.get() + more.get() : 10; });
                 check(seen == 10, "what was published is not yet there");
             },
             [=] {
                 if (atomically(v.how(2), [] { return shared.get(); })) check(data.value == 5, "what was published is not yet there");
             }}};
}

/** tm_privatize: plain code in the transaction; others see all or nothing, also when it is rolled back once. */
Program plain_code_inside(const Variant &v)
{
    start_cells();
    return {{[=] {
                 unsigned left = 1;
                 atomically(v.how(0), [&] {
                     tm_privatize(&data, sizeof(long), TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
                     tm_privatize(&more, sizeof(long), TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
                     data.value += 7;
                     more.value += 7;
                     if (left && left--) restart();
                 });
             },
             [=] {
                 atomically(v.how(1), [] {
                     const long a = data.get();
                     check(a == more.get() && (a == 0 || a == 7), "an attempt has seen half of what plain code does");
                 });
             }},
            [] { check(data.value == 7 && more.value == 7, "a rollback has not restored privatized memory"); }};
}

struct Node {
    long value;
    long check;
};
struct alignas(64) {
    Node *node;
} head;

void start_node()
{
    head.node = static_cast<Node *>(tm_malloc(sizeof(Node)));
    *head.node = {3, 3};
    explore::name_memory(&head, sizeof head, "head");
}

void read_node(const Variant &v, unsigned me, unsigned flags = 0)
{
    atomically(v.how(me, flags), [] {
        Node *const node = load(head.node);
        if (!node) return;
        const long a = load(node->value);
        check(a == load(node->check) && (a == 3 || a == 4), "a block is not what it was when it was made");
    });
}

void replace_node(const Variant &v, unsigned me, unsigned flags = 0)
{
    atomically(v.how(me, flags), [] {
        Node *const old = load(head.node);
        auto *const node = static_cast<Node *>(tm_malloc(sizeof(Node)));
        *node = {4, 4};
        store(head.node, node);
        tm_free(old);
    });
}

/** A doomed reader holds a pointer to what is freed. */
Program freed_under_a_reader(const Variant &v)
{
    start_node();
    return {{[=] { replace_node(v, 0); }, [=] { read_node(v, 1); }}, [] { check(explore::live_blocks() == 1, "a block leaks"); }};
}
Program freed_under_a_reader_without_quiescence(const Variant &v)
{
    start_node();
    return {{[=] {
                 replace_node(v, 0, TM_NO_QUIESCENCE);
                 replace_node(v, 0, TM_NO_QUIESCENCE);
                 replace_node(v, 0, TM_NO_QUIESCENCE);
             },
             [=] { read_node(v, 1); }},
            [] { check(explore::live_blocks() == 1, "a block leaks"); }};
}
Program freed_under_a_read_only_reader(const Variant &v)
{
    start_node();
    return {{[=] { replace_node(v, 0); }, [=] { read_node(v, 1, TM_READ_ONLY); }}};
}

/** G3: who uses a block conflicts with who frees it, also by a store to the block alone. */
Program free_against_use(const Variant &v)
{
    start_node();
    return {{[=] {
                 atomically(v.how(0), [] {
                     Node *const node = load(head.node);
                     store(head.node, static_cast<Node *>(nullptr));
                     tm_free(node);
                 });
             },
             [=] {
                 atomically(v.how(1), [] {
                     if (Node *const node = load(head.node)) store(node->value, load(node->value) + 1);
                 });
             }},
            [] { check(explore::live_blocks() == 0, "a block leaks"); }};
}

Program two_replace(const Variant &v)
{
    start_node();
    return {{[=] { replace_node(v, 0); }, [=] { replace_node(v, 1); }}, [] { check(explore::live_blocks() == 1, "a block leaks"); }};
}

/** Blocks made by attempts that are rolled back, and freed in the same transaction. */
Program made_and_rolled_back(const Variant &v)
{
    start_cells();
    const auto work = [v](unsigned me) {
        unsigned left = 1;
        atomically(v.how(me), [&] {
            void *const kept = tm_malloc(16), *const dropped = tm_malloc(32);
            data.set(data.get() + 1);
            tm_free(dropped);
            if (left && left--) restart();
            if (me) tm_free(kept);
        });
    };
    return {{[=] { work(0); }, [=] { work(1); }}, [] {
                check(explore::live_blocks() == 1, "a block leaks");
                check(data.value == 2, "an addition is lost");
            }};
}

std::atomic<bool> unlinked;

/**
 * A reader waits for a lock that is then rolled back, and goes on with what it had read: nobody may have taken its assurances, given
 * meanwhile, for more than they say.
 */
Program freed_under_a_waiting_reader(const Variant &v)
{
    tm_malloc(96); // so that, with several orecs, the node has one of its own
    start_node();
    start_cells();
    unlinked = false;
    return {{[=] {
                 bool first = true;
                 atomically(v.how(0), [&] {
                     if (!std::exchange(first, false)) return;
                     data.set(1);
                     for (int looks = 0; looks < 3 && !unlinked; ++looks) sched_yield(); // not for ever: it may hold what the other needs
                     restart();
                 });
             },
             [=] {
                 atomically(v.how(1), [] {
                     Node *const node = load(head.node);
                     data.get();
                     if (node) check(load(node->value) == 3, "a block is not what it was when it was made");
                 });
             },
             [=] {
                 atomically(v.how(2), [] {
                     tm_free(load(head.node));
                     store(head.node, static_cast<Node *>(nullptr));
                     unlinked = true;
                 });
             }}};
}

/** Enough at once that a grace period is waited for. */
Program freed_in_batches(const Variant &v)
{
    start_node();
    return {{[=] {
                 for (int i = 0; i < 2; ++i)
                     atomically(v.how(0, TM_NO_QUIESCENCE), [] {
                         Node *const old = load(head.node);
                         auto *const node = static_cast<Node *>(tm_malloc(sizeof(Node)));
                         *node = {4, 4};
                         store(head.node, node);
                         tm_free(old);
                         for (int j = 0; j < 64; ++j) tm_retire(nullptr, [](void *) {});
                     });
             },
             [=] { read_node(v, 1); }},
            [] { check(explore::live_blocks() == 1, "a block leaks"); }};
}

int destroyed;

/** tm_retire: destroyed once, when no attempt is left that could see it. */
Program retired(const Variant &v)
{
    start_cells();
    destroyed = 0;
    static Cell object;
    object.value = 1;
    explore::name_memory(&object, sizeof object, "object");
    return {{[=] {
                 atomically(v.how(0), [] {
                     shared.set(0);
                     tm_retire(&object, [](void *o) {
                         static_cast<Cell *>(o)->value = -1;
                         ++destroyed;
                     });
                 });
             },
             [=] {
                 atomically(v.how(1), [] {
                     if (shared.get()) check(object.get() == 1, "an attempt has seen an object after its end");
                 });
             }},
            [] { check(destroyed == 1, "an object is not destroyed once"); }};
}

const Add added{
    {"privatization", privatization},
    {"privatization through a third thread", privatization_through_a_third_thread},
    {"privatization under a reader", privatization_under_a_reader},
    {"publication", publication},
    {"plain code inside", plain_code_inside},
    {"freed under a reader", freed_under_a_reader},
    {"freed under a reader, no quiescence", freed_under_a_reader_without_quiescence},
    {"freed under a read-only reader", freed_under_a_read_only_reader},
    {"freed under a waiting reader", freed_under_a_waiting_reader, 60, 0, "", 8},
    {"freed in batches", freed_in_batches},
    {"free against use", free_against_use},
    {"two replace", two_replace},
    {"made and rolled back", made_and_rolled_back},
    {"retired", retired},
    {"clock overflow, privatization", privatization, 4, 8},
    {"clock overflow, freed under a reader", freed_under_a_reader, 4, 8},
};

} // namespace
} // namespace libtm::test
