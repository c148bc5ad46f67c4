// SPDX-License-Identifier: MIT
// K5: whatever a crash leaves of a pool that a program for libpmemobj uses, it opens in a state between two calls: transactions, single objects, lists, actions and ranges made durable.
#include "heap.hpp"
#include "script.hpp"
#include "support.hpp"

#include "objects.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <libpmemobj.h>
#include <string>
#include <vector>

using namespace libtm::testing;
namespace crash = libtm::crash;

namespace {

struct element;
TOID_DECLARE(struct element, 3);
struct element {
    long number;
    POBJ_LIST_ENTRY(struct element) entry;
};
POBJ_LIST_HEAD(elements, struct element);

struct root {
    long steps[4];
    PMEMoid text;
    PMEMoid numbers;
    struct elements first, second;
};

constexpr std::size_t numbers_size = 600;

/** The pool of one run. */
struct Program {
    PMEMobjpool *pool = nullptr;
    struct root *root() const { return static_cast<struct root *>(pmemobj_direct(pmemobj_root(pool, sizeof(struct root)))); }
};

std::uint64_t journal = 64 * 4096;
void surround(tm_storage *files) { libtm::pmemobj::surroundings = {files, journal, TM_POOL_NO_THREAD}; }

/** All that can be seen of a pool, in words. */
std::string seen(const Program &program)
{
    std::string text;
    const auto add = [&](const std::string &word) { text.append(word).push_back(' '); };
    if (pmemobj_root_size(program.pool) == 0) return "no root";
    const struct root &root = *program.root();
    for (const long step : root.steps) add(std::to_string(step));
    add(OID_IS_NULL(root.text) ? "-" : static_cast<const char *>(pmemobj_direct(root.text)));
    if (!OID_IS_NULL(root.numbers)) {
        const auto *const bytes = static_cast<const unsigned char *>(pmemobj_direct(root.numbers));
        unsigned long sum = pmemobj_type_num(root.numbers);
        for (std::size_t i = 0; i < numbers_size; ++i) sum = sum * 31 + bytes[i];
        add(std::to_string(sum));
    }
    for (const struct elements *list : {&root.first, &root.second}) {
        add("list");
        std::size_t count = 0;
        TOID(struct element) at;
        POBJ_LIST_FOREACH (at, list, entry) {
            if (++count > 100) return "an endless list";
            add(std::to_string(D_RO(at)->number));
        }
        POBJ_LIST_FOREACH_REVERSE (at, list, entry)
            if (count-- == 0) return "a list that is longer backwards";
    }
    std::vector<std::uint64_t> types;
    PMEMoid object;
    POBJ_FOREACH (program.pool, object) types.push_back(pmemobj_type_num(object));
    std::sort(types.begin(), types.end());
    for (const std::uint64_t type : types) add(std::string("#").append(std::to_string(type)));
    return text;
}

int set_number(PMEMobjpool *, void *object, void *number)
{
    static_cast<struct element *>(object)->number = *static_cast<long *>(number);
    return 0;
}

void demand(bool works)
{
    if (!works) throw std::runtime_error(pmemobj_errormsg());
}

/** The steps of the program. Each is one thing that happens or does not. */
const std::vector<void (*)(Program &)> steps = {
    [](Program &it) { demand(!OID_IS_NULL(pmemobj_root(it.pool, sizeof(struct root)))); },
    [](Program &it) { // a transaction that snapshots and allocates
        struct root *const root = it.root();
        TX_BEGIN (it.pool) {
            TX_ADD_DIRECT(&root->steps);
            root->steps[0] = 1;
            root->steps[3] = 2;
            TX_ADD_DIRECT(&root->numbers);
            root->numbers = pmemobj_tx_zalloc(numbers_size, 7);
            std::memset(pmemobj_direct(root->numbers), 5, numbers_size / 2);
        }
        TX_END
        demand(root->steps[3] == 2);
    },
    [](Program &it) { demand(pmemobj_strdup(it.pool, &it.root()->text, "first", 8) == 0); },
    [](Program &it) { // one that is aborted leaves nothing, and a second one does
        struct root *const root = it.root();
        TX_BEGIN (it.pool) {
            TX_SET_DIRECT(root, steps[1], 9);
            pmemobj_tx_free(root->text);
            TX_SET_DIRECT(root, text, OID_NULL);
            pmemobj_tx_alloc(100000, 9);
            pmemobj_tx_abort(0);
        }
        TX_END
        TX_BEGIN (it.pool) { TX_SET_DIRECT(root, steps[1], 4); }
        TX_END
    },
    [](Program &it) {
        long number = 1;
        demand(!OID_IS_NULL(POBJ_LIST_INSERT_NEW_HEAD(it.pool, &it.root()->first, entry, sizeof(struct element), set_number, &number)));
    },
    [](Program &it) {
        long number = 2;
        demand(!OID_IS_NULL(POBJ_LIST_INSERT_NEW_TAIL(it.pool, &it.root()->first, entry, sizeof(struct element), set_number, &number)));
    },
    [](Program &it) { demand(POBJ_LIST_MOVE_ELEMENT_HEAD(it.pool, &it.root()->first, &it.root()->second, POBJ_LIST_LAST(&it.root()->first, entry), entry, entry) == 0); },
    [](Program &it) { // changes the size and the type of an object whose place is in the pool
        demand(pmemobj_zrealloc(it.pool, &it.root()->numbers, 5000, 11) == 0);
    },
    [](Program &it) { // plain stores
        struct root *const root = it.root();
        root->steps[2] = 77;
        pmemobj_persist(it.pool, &root->steps[2], sizeof root->steps[2]);
    },
    [](Program &it) { // actions
        struct root *const root = it.root();
        struct pobj_action actions[5];
        const PMEMoid made = pmemobj_reserve(it.pool, &actions[0], 200, 12);
        demand(!OID_IS_NULL(made));
        std::strcpy(static_cast<char *>(pmemobj_direct(made)), "second");
        pmemobj_persist(it.pool, pmemobj_direct(made), 200); // it makes no state of its own
        pmemobj_defer_free(it.pool, root->text, &actions[1]);
        pmemobj_set_value(it.pool, &actions[2], &root->text.pool_uuid_lo, made.pool_uuid_lo);
        pmemobj_set_value(it.pool, &actions[3], &root->text.off, made.off);
        demand(pmemobj_publish(it.pool, actions, 4) == 0);
    },
    [](Program &it) { // nested, with frees; and what is durable by itself of what a transaction has
        struct root *const root = it.root();
        TX_BEGIN (it.pool) {
            TX_ADD_DIRECT(&root->steps[0]);
            root->steps[0] = 50;
            pmemobj_persist(it.pool, &root->steps[0], sizeof root->steps[0]);
            TX_BEGIN (it.pool) {
                TX_ADD_DIRECT(&root->numbers);
                pmemobj_tx_free(root->numbers);
                root->numbers = pmemobj_tx_zalloc(numbers_size, 13);
            }
            TX_END
        }
        TX_END
    },
    [](Program &it) { demand(POBJ_LIST_REMOVE_FREE(it.pool, &it.root()->second, POBJ_LIST_FIRST(&it.root()->second), entry) == 0); },
    [](Program &it) { pmemobj_free(&it.root()->text); },
    [](Program &it) { // the root moves
        demand(!OID_IS_NULL(pmemobj_root(it.pool, 3000)));
    },
};

/** What there is to be seen after so many steps. */
const std::vector<std::string> &states()
{
    static const std::vector<std::string> known = [] {
        std::vector<std::string> after;
        const Directory directory;
        surround(nullptr);
        Program program{pmemobj_create((directory / "pool").c_str(), "crashes", PMEMOBJ_MIN_POOL, 0600)};
        demand(program.pool);
        after.push_back(seen(program));
        for (void (*const step)(Program &) : steps) {
            step(program);
            after.push_back(seen(program));
        }
        pmemobj_close(program.pool);
        return after;
    }();
    return known;
}

void run(tm_storage *files, crash::Marks &marks)
{
    surround(files);
    Program program{pmemobj_create(pool_path, "crashes", PMEMOBJ_MIN_POOL, 0600)};
    demand(program.pool);
    marks("created");
    for (std::size_t i = 0; i < steps.size(); ++i) {
        marks("begins", i + 1);
        steps[i](program);
        marks("returned", i + 1);
        if (i == 6) { // a clean close in between
            pmemobj_close(program.pool);
            program.pool = pmemobj_open(pool_path, "crashes");
            demand(program.pool);
        }
    }
    pmemobj_close(program.pool);
}

std::string check(tm_storage *files, const crash::Moment &moment)
{
    surround(files);
    const int sound = pmemobj_check(pool_path, "crashes");
    Program program{pmemobj_open(pool_path, "crashes")};
    if (!program.pool) return errno == ENOENT && !moment.reached("created", 0) ? "" : std::string("the pool does not open: ") + pmemobj_errormsg();
    if (sound != 1 && moment.reached("created", 0)) return "pmemobj_check() finds fault with it";
    const std::string now = seen(program);
    std::string wrong = "it is in no state between two steps: " + now;
    const std::uint64_t least = moment.last("returned"), most = std::max(moment.last("begins"), least);
    for (std::uint64_t i = least; i <= most; ++i)
        if (now == states()[i]) wrong.clear();
    if (wrong.empty() && pmemobj_root_size(program.pool) > 0) { // it can be used
        long number = 99;
        if (OID_IS_NULL(POBJ_LIST_INSERT_NEW_TAIL(program.pool, &program.root()->second, entry, sizeof(struct element), set_number, &number))) wrong = pmemobj_errormsg();
    }
    pmemobj_close(program.pool);
    return wrong;
}

} // namespace

TEST(CrashStatesOfPmemobj, K5_each_call_happens_or_does_not)
{
    states();
    libtm::persist::least_growth = libtm::persist::chunk_size;
    crash::Options options;
    options.bounds = {256, 32, 64};
    options.recovery_bounds = {16, 4, 8};
    options.most_recovery_states = is_quick() ? 200 : 800;
    options.recover = [](tm_storage *files) {
        surround(files);
        pmemobj_close(pmemobj_open(pool_path, "crashes"));
    };
    explore("libpmemobj", run, check, options);
    journal = 8 * 4096; // checkpoints in between
    explore("libpmemobj, with a small journal", run, check, options);
}

int main(int argc, char **argv)
{
    ::testing::InitGoogleTest(&argc, argv);
    const int result = RUN_ALL_TESTS();
    report_sums();
    return result;
}
