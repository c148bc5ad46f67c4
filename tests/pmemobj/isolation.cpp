// SPDX-License-Identifier: MIT
// K5: what a transaction of libpmemobj has snapshotted is isolated from libtm's own; and what libpmemobj leaves undefined is a clear error.
#include "support.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <libpmemobj.h>
#include <mutex>
#include <random>
#include <thread>
#include <tm/persist.hpp>
#include <vector>

using namespace libtm::testing;

namespace {

constexpr std::size_t accounts = 64;
struct root {
    long of[accounts];
    PMEMmutex mutexes[4];
    char bytes[8192];
    PMEMoid object;
};

/** A pool in a directory of its own. */
class Pmemobj : public ::testing::Test {
protected:
    Pmemobj() : pop(pmemobj_create((directory_ / "pool").c_str(), "isolation", 16 << 20, 0600)) {}
    ~Pmemobj() override { pmemobj_close(pop); }
    std::string path() const { return directory_ / "pool"; }
    struct root *there() const { return static_cast<struct root *>(pmemobj_direct(pmemobj_root(pop, sizeof(struct root)))); }
    void reopen()
    {
        pmemobj_close(pop);
        pop = pmemobj_open((directory_ / "pool").c_str(), "isolation");
        ASSERT_NE(pop, nullptr) << pmemobj_errormsg();
    }

private:
    const Directory directory_;

protected:
    PMEMobjpool *pop;
};

class Flag {
public:
    void raise() { is_raised_ = true; }
    void await() const
    {
        while (!is_raised_) std::this_thread::yield();
    }
    bool is_raised() const { return is_raised_; }

private:
    std::atomic<bool> is_raised_{false};
};

} // namespace

TEST_F(Pmemobj, K5_transactions_of_libtm_see_all_of_one_or_nothing)
{
    struct root *const root = there();
    std::atomic<unsigned> torn{0};
    std::vector<std::thread> threads;
    for (unsigned me = 0; me < 4; ++me)
        threads.emplace_back([&, me] {
            std::minstd_rand random(me + 1);
            for (int i = 0; i < 200; ++i) {
                const std::size_t from = random() % accounts, to = (from + 1 + random() % (accounts - 1)) % accounts;
                if (me < 2) {
                    const bool gives_up = i % 5 == 0;
                    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutexes[0])
                    {
                        TX_ADD_DIRECT(&root->of[from]);
                        --root->of[from];
                        std::this_thread::yield();
                        TX_ADD_DIRECT(&root->of[to]);
                        ++root->of[to];
                        if (gives_up) {
                            --root->of[to]; // no sum of what is given up is 0
                            pmemobj_tx_abort(0);
                        }
                    }
                    TX_END
                } else {
                    tm_attr how{};
                    how.mode = i % 2 ? TM_WRITE_BACK : TM_WRITE_THROUGH;
                    how.durability = TM_DURABILITY_ASYNC;
                    long sum = 0;
                    libtm::atomically(how, [&] {
                        sum = 0;
                        libtm::store(root->of[from], libtm::load(root->of[from]) - 1);
                        libtm::store(root->of[to], libtm::load(root->of[to]) + 1);
                        for (const long &each : root->of) sum += libtm::load(each);
                    });
                    torn += sum != 0;
                }
            }
        });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(torn, 0u);
    reopen();
    long sum = 0;
    for (const long each : there()->of) sum += each;
    EXPECT_EQ(sum, 0);
}

TEST_F(Pmemobj, K5_threads_with_neighbouring_bytes_do_not_wait_for_each_other)
{
    struct root *const root = there();
    Flag first_has, second_done;
    std::thread first([&] {
        TX_BEGIN (pop) {
            TX_ADD_DIRECT(&root->of[0]);
            root->of[0] = 1;
            first_has.raise();
            second_done.await(); // a deadlock, if the other one waited for the bytes beside these
        }
        TX_END
    });
    std::thread second([&] {
        first_has.await();
        TX_BEGIN (pop) {
            TX_ADD_DIRECT(&root->of[1]);
            root->of[1] = 2;
        }
        TX_END
        second_done.raise();
    });
    first.join();
    second.join();
    reopen();
    EXPECT_EQ(there()->of[0], 1);
    EXPECT_EQ(there()->of[1], 2);
}

TEST_F(Pmemobj, P7_a_commit_of_the_whole_image_waits_for_the_transaction)
{
    struct root *const root = there();
    Flag begun, committed;
    std::thread whole;
    TX_BEGIN (pop) {
        TX_ADD_DIRECT(&root->of[0]);
        root->of[0] = 1;
        whole = std::thread([&] {
            begun.raise();
            EXPECT_EQ(tm_pool_commit(tm_pool_of(root)), 0);
            EXPECT_EQ(root->of[0], 2);
            committed.raise();
        });
        begun.await();
        for (int i = 0; i < 200; ++i) {
            std::this_thread::yield();
            EXPECT_FALSE(committed.is_raised());
        }
        EXPECT_EQ(tm_pool_commit(tm_pool_of(root)), EDEADLK) << "in the transaction";
        PMEMoid oid;
        EXPECT_EQ(pmemobj_alloc(pop, &oid, 100, 1, nullptr, nullptr), 0) << "by itself, while another one waits to run alone";
        root->of[0] = 2;
    }
    TX_END
    whole.join();
}

TEST_F(Pmemobj, transactions_of_both_kinds_do_not_nest)
{
    struct root *const root = there();
    bool is_done = false;
    TX_BEGIN (pop) {
        EXPECT_THROW(libtm::atomically([&] { libtm::store(root->of[0], 1L); }), libtm::error);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
        is_done = true;
    }
    TX_END
    EXPECT_TRUE(is_done);
    libtm::atomically([&] {
        int stage = -1, code = 0;
        TX_BEGIN (pop) { stage = TX_STAGE_WORK; }
        TX_ONABORT
        {
            stage = TX_STAGE_ONABORT;
            code = pmemobj_tx_errno();
        }
        TX_END
        EXPECT_EQ(stage, TX_STAGE_ONABORT);
        EXPECT_EQ(code, EDEADLK);
        PMEMoid oid = OID_NULL;
        EXPECT_EQ(pmemobj_alloc(pop, &oid, 100, 1, nullptr, nullptr), -1);
        EXPECT_EQ(errno, EDEADLK);
    });
    libtm::atomically([&] { libtm::store(root->of[0], 7L); });
    EXPECT_EQ(root->of[0], 7);
}

TEST_F(Pmemobj, P19_a_thread_that_ends_in_a_transaction_has_done_nothing)
{
    struct root *const root = there();
    std::thread([&] {
        ASSERT_EQ(pmemobj_tx_begin(pop, nullptr, TX_PARAM_MUTEX, &root->mutexes[0], TX_PARAM_NONE), 0);
        TX_ADD_DIRECT(&root->of[0]);
        root->of[0] = 5;
        EXPECT_FALSE(OID_IS_NULL(pmemobj_tx_alloc(100, 1)));
    }).join();
    EXPECT_EQ(root->of[0], 0);
    EXPECT_EQ(libtm::atomically([&] { return libtm::load(root->of[0]); }), 0);
    EXPECT_EQ(pmemobj_mutex_trylock(pop, &root->mutexes[0]), 0);
    EXPECT_EQ(pmemobj_mutex_unlock(pop, &root->mutexes[0]), 0);
    EXPECT_TRUE(OID_IS_NULL(pmemobj_first(pop)));
}

TEST_F(Pmemobj, an_abort_leaves_a_lock_to_those_who_wait_for_it)
{
    struct root *const root = there();
    Flag locked;
    std::thread waiting;
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutexes[1])
    {
        TX_ADD_DIRECT(root); // with the lock in it
        waiting = std::thread([&] {
            locked.await();
            EXPECT_EQ(pmemobj_mutex_lock(pop, &root->mutexes[1]), 0);
            EXPECT_EQ(root->of[0], 0);
            EXPECT_EQ(pmemobj_mutex_unlock(pop, &root->mutexes[1]), 0);
        });
        root->of[0] = 1;
        locked.raise();
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // so that it waits, most of the times
        pmemobj_tx_abort(0);
    }
    TX_END
    waiting.join();
}

/** What waits to be durable is called when nothing of the program's is locked. */
TEST_F(Pmemobj, H7_functions_that_wait_for_durability_run_outside_of_transactions)
{
    struct root *const root = there();
    static PMEMobjpool *pool;
    static struct root *at;
    static std::atomic<int> calls;
    pool = pop;
    at = root;
    calls = 0;
    for (int i = 0; i < 20; ++i) {
        tm_attr how{};
        how.durability = TM_DURABILITY_ASYNC;
        libtm::atomically(how, [&] {
            libtm::store(root->of[1], static_cast<long>(i));
            tm_on_durable(
                [](void *) {
                    EXPECT_EQ(pmemobj_tx_stage(), TX_STAGE_NONE);
                    TX_BEGIN_PARAM(pool, TX_PARAM_MUTEX, &at->mutexes[2])
                    {
                        TX_ADD_DIRECT(&at->of[2]);
                        ++at->of[2];
                    }
                    TX_END
                    ++calls;
                },
                nullptr);
        });
        TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutexes[2])
        {
            PMEMoid oid;
            EXPECT_EQ(pmemobj_alloc(pop, &oid, 100, 1, nullptr, nullptr), 0); // makes it durable
            TX_ADD_DIRECT(&root->of[3]);
            ++root->of[3];
        }
        TX_END
    }
    EXPECT_EQ(tm_pool_wait(tm_pool_of(root), 0), 0);
    while (calls != 20) std::this_thread::yield();
    reopen();
    EXPECT_EQ(there()->of[2], 20);
    EXPECT_EQ(there()->of[3], 20);
}

TEST_F(Pmemobj, a_copy_of_an_open_pool_is_refused)
{
    const Directory directory;
    pmemobj_close(pop);
    std::filesystem::copy_file(path(), directory / "copy");
    pop = pmemobj_open(path().c_str(), nullptr);
    ASSERT_NE(pop, nullptr);
    EXPECT_EQ(pmemobj_open((directory / "copy").c_str(), nullptr), nullptr);
    EXPECT_EQ(errno, EEXIST);
}

TEST_F(Pmemobj, a_root_that_must_grow_is_refused_in_a_transaction_of_libtm_and_an_old_one_is_not)
{
    there();
    std::thread other;
    Flag begun;
    libtm::atomically([&] {
        EXPECT_FALSE(OID_IS_NULL(pmemobj_root(pop, 8)));
        EXPECT_TRUE(OID_IS_NULL(pmemobj_root(pop, 100000)));
        EXPECT_EQ(errno, EDEADLK);
        if (other.joinable()) return;
        other = std::thread([&] {
            begun.raise();
            EXPECT_FALSE(OID_IS_NULL(pmemobj_root(pop, 50000))); // its end waits for the transaction
        });
        begun.await();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        EXPECT_FALSE(OID_IS_NULL(pmemobj_root(pop, 8)));
    });
    other.join();
}

TEST_F(Pmemobj, what_a_transaction_and_plain_code_free_is_freed_once)
{
    struct root *const root = there();
    ASSERT_EQ(pmemobj_alloc(pop, &root->object, 100, 1, nullptr, nullptr), 0);
    std::atomic<unsigned> wrong{0};
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i)
            TX_BEGIN (pop) {
                TX_ADD_DIRECT(&root->object);
                pmemobj_tx_free(root->object);
                root->object = pmemobj_tx_alloc(100, 1);
            }
            TX_ONABORT { ++wrong; }
            TX_END
    });
    threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i)
            libtm::atomically([&] {
                const PMEMoid old = libtm::load(root->object);
                char *const data = static_cast<char *>(pmemobj_direct(old));
                tm_pool *const pool = tm_pool_of(data);
                char *const block = static_cast<char *>(tm_pool_malloc(pool, 116));
                std::memcpy(block, data - 16, 16); // an object, as the other one makes them
                wrong += tm_pool_free(pool, data - 16) != 0;
                libtm::store(root->object.off, old.off + static_cast<std::uint64_t>(block + 16 - data));
            });
    });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(wrong, 0u);
    PMEMoid oid;
    int objects = 0;
    POBJ_FOREACH (pop, oid) ++objects;
    EXPECT_EQ(objects, 1);
}

TEST_F(Pmemobj, transactions_run_until_the_process_ends)
{
    static PMEMobjpool *pool;
    const Directory directory;
    const int status = in_child([&] {
        pool = pmemobj_create((directory / "pool").c_str(), nullptr, PMEMOBJ_MIN_POOL, 0600);
        const PMEMoid made = pmemobj_root(pool, sizeof(struct root));
        TX_BEGIN (pool) { TX_ADD_DIRECT(static_cast<long *>(pmemobj_direct(made))); }
        TX_END
        std::atexit([] {
            long *const number = static_cast<long *>(pmemobj_direct(pmemobj_root(pool, 8)));
            TX_BEGIN (pool) {
                TX_ADD_DIRECT(number);
                *number = 401;
            }
            TX_END
            pmemobj_close(pool);
        });
        std::exit(0);
    });
    EXPECT_EQ(status, 0);
    PMEMobjpool *const again = pmemobj_open((directory / "pool").c_str(), nullptr);
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(*static_cast<long *>(pmemobj_direct(pmemobj_root(again, 8))), 401);
    pmemobj_close(again);
}

TEST_F(Pmemobj, flushed_ranges_are_merged_and_those_of_a_closed_pool_forgotten)
{
    struct root *root = there();
    for (int turn = 0; turn < 3; ++turn)
        for (std::size_t i = 0; i < sizeof root->bytes; i += 3) {
            root->bytes[(i * 7) % sizeof root->bytes] = 'x';
            pmemobj_flush(pop, &root->bytes[(i * 7) % sizeof root->bytes], 1);
        }
    pmemobj_drain(pop);
    Flag flushed, closed;
    std::thread other([&] {
        pmemobj_flush(pop, root, 8);
        flushed.raise();
        closed.await();
        errno = 0;
        root->of[5] = 6;
        pmemobj_persist(pop, &root->of[5], sizeof root->of[5]);
        EXPECT_EQ(errno, 0) << pmemobj_errormsg();
    });
    flushed.await();
    reopen();
    root = there();
    EXPECT_EQ(root->bytes[(3 * 7) % sizeof root->bytes], 'x');
    closed.raise();
    other.join();
    reopen();
    EXPECT_EQ(there()->of[5], 6);
}

/** Where PMDK ends the process. */
TEST_F(Pmemobj, a_call_in_the_wrong_stage_is_an_error)
{
    struct root *const root = there();
    const auto refused = [](int code) {
        const bool is_told = code == EINVAL && errno == EINVAL && std::strstr(pmemobj_errormsg(), "TX_STAGE_");
        errno = 0;
        return is_told;
    };
    const auto none_works = [&] {
        EXPECT_TRUE(refused(pmemobj_tx_add_range_direct(root, 8)));
        EXPECT_TRUE(refused(pmemobj_tx_xadd_range_direct(root, 8, POBJ_XADD_NO_ABORT)));
        EXPECT_TRUE(refused(pmemobj_tx_lock(TX_PARAM_MUTEX, &root->mutexes[0])));
        EXPECT_TRUE(refused(pmemobj_tx_free(root->object)));
        EXPECT_TRUE(OID_IS_NULL(pmemobj_tx_alloc(10, 1)));
        EXPECT_TRUE(refused(errno));
        EXPECT_TRUE(OID_IS_NULL(pmemobj_tx_strdup("text", 1)));
        EXPECT_TRUE(refused(errno));
        EXPECT_TRUE(OID_IS_NULL(pmemobj_tx_realloc(OID_NULL, 10, 1)));
        EXPECT_TRUE(refused(errno));
        EXPECT_TRUE(refused(pmemobj_tx_publish(nullptr, 0)));
        EXPECT_TRUE(refused(pmemobj_tx_log_append_buffer(TX_LOG_TYPE_INTENT, root->bytes, 100)));
        EXPECT_TRUE(refused(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_INTENT, 0)));
        const enum pobj_tx_stage before = pmemobj_tx_stage();
        pmemobj_tx_abort(EIO);
        EXPECT_TRUE(refused(errno));
        pmemobj_tx_commit();
        EXPECT_TRUE(refused(errno));
        pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_RETURN);
        EXPECT_TRUE(refused(errno));
        pmemobj_tx_get_failure_behavior();
        EXPECT_TRUE(refused(errno));
        EXPECT_EQ(pmemobj_tx_stage(), before);
    };
    none_works();
    EXPECT_EQ(pmemobj_tx_end(), EINVAL);
    pmemobj_tx_process();
    EXPECT_EQ(pmemobj_tx_stage(), TX_STAGE_NONE);
    pmemobj_tx_set_user_data(root);
    EXPECT_EQ(errno, EINVAL);

    int blocks = 0;
    TX_BEGIN (pop) {
        TX_ADD_DIRECT(&root->of[0]);
        EXPECT_EQ(pmemobj_tx_end(), EINVAL);
        EXPECT_EQ(pmemobj_tx_stage(), TX_STAGE_WORK);
        root->of[0] = 1;
    }
    TX_ONCOMMIT
    {
        none_works();
        ++blocks;
        TX_BEGIN (pop) { ADD_FAILURE() << "a transaction begins in TX_ONCOMMIT"; }
        TX_ONABORT
        {
            none_works();
            EXPECT_EQ(pmemobj_tx_stage(), TX_STAGE_ONABORT);
            ++blocks;
        }
        TX_END
        EXPECT_EQ(pmemobj_tx_stage(), TX_STAGE_ONCOMMIT);
    }
    TX_FINALLY
    {
        none_works();
        ++blocks;
    }
    TX_END
    EXPECT_EQ(blocks, 3);
    EXPECT_EQ(root->of[0], 1);
    TX_BEGIN (pop) { pmemobj_tx_abort(EDOM); }
    TX_ONABORT
    {
        none_works();
        EXPECT_EQ(pmemobj_tx_errno(), EDOM);
        ++blocks;
    }
    TX_END
    EXPECT_EQ(blocks, 4);
    EXPECT_EQ(pmemobj_tx_errno(), EDOM);
}

TEST_F(Pmemobj, calls_with_nothing_in_them_are_errors)
{
    struct root *const root = there();
    PMEMoid none = OID_NULL, wrong = {pmemobj_oid(root).pool_uuid_lo, pmemobj_oid(root).off + 16}, foreign = {12345, 4096};
    EXPECT_EQ(pmemobj_alloc(nullptr, &none, 10, 1, nullptr, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(pmemobj_create(nullptr, nullptr, 1 << 24, 0600), nullptr);
    EXPECT_EQ(pmemobj_open(nullptr, nullptr), nullptr);
    EXPECT_TRUE(OID_IS_NULL(pmemobj_root(nullptr, 10)));
    EXPECT_EQ(pmemobj_direct(foreign), nullptr);
    EXPECT_EQ(pmemobj_type_num(foreign), 0u);
    EXPECT_EQ(pmemobj_alloc_usable_size(wrong), 0u);
    errno = 0;
    pmemobj_free(&wrong);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_FALSE(OID_IS_NULL(wrong)) << "not freed";
    PMEMoid itself = pmemobj_oid(root);
    pmemobj_free(&itself);
    EXPECT_FALSE(OID_IS_NULL(itself)) << "the root is not freed";
    EXPECT_EQ(pmemobj_list_remove(pop, 0, nullptr, foreign, 0), -1);
    EXPECT_EQ(pmemobj_mutex_lock(pop, nullptr), EINVAL);
    EXPECT_EQ(pmemobj_ctl_get(pop, nullptr, nullptr), -1);
    EXPECT_EQ(pmemobj_ctl_get(pop, "heap.narenas.total", &itself), -1);
    EXPECT_EQ(errno, ENOTSUP);
    EXPECT_EQ(pmemobj_ctl_set(pop, "copy_on_write.at_open", &itself), -1);
    EXPECT_EQ(errno, ENOTSUP);
    EXPECT_EQ(pmemobj_tx_begin(nullptr, nullptr, TX_PARAM_NONE), EINVAL);
    EXPECT_EQ(pmemobj_tx_stage(), TX_STAGE_ONABORT);
    EXPECT_EQ(pmemobj_tx_end(), EINVAL);
    int error = 0;
    TX_BEGIN (pop) { pmemobj_tx_free(wrong); }
    TX_ONABORT { error = pmemobj_tx_errno(); }
    TX_END
    EXPECT_EQ(error, EINVAL);
}

TEST_F(Pmemobj, a_pool_set_and_another_kind_of_pool_are_refused)
{
    const Directory directory;
    const std::string path = directory / "set";
    FILE *const file = std::fopen(path.c_str(), "w");
    std::fputs("PMEMPOOLSET\n16M /nowhere/part\nREPLICA\n16M /nowhere/else\n", file);
    std::fclose(file);
    EXPECT_EQ(pmemobj_open(path.c_str(), nullptr), nullptr);
    EXPECT_EQ(errno, ENOTSUP);
    EXPECT_NE(std::strstr(pmemobj_errormsg(), "pool set"), nullptr);
    EXPECT_EQ(pmemobj_create(path.c_str(), nullptr, 0, 0600), nullptr);
    EXPECT_EQ(errno, ENOTSUP);
    {
        libtm::pool other(directory / "other", 1 << 20);
        other.data<long>()[0] = 1;
        other.commit();
    }
    EXPECT_EQ(pmemobj_open((directory / "other").c_str(), nullptr), nullptr);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(pmemobj_check((directory / "other").c_str(), nullptr), 0);
    libtm::pool again(directory / "other");
    EXPECT_EQ(again.data<long>()[0], 1) << "nothing has become of it";
}

/** Ranges at random, with and without overlaps. */
TEST_F(Pmemobj, H3_a_log_buffer_of_the_calculated_size_never_overflows_and_one_that_is_smaller_does)
{
    struct root *const root = there();
    std::minstd_rand random(5);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::size_t> offsets, sizes;
        std::vector<bool> covered(sizeof root->bytes);
        for (std::size_t i = 0; i < 1 + random() % 12; ++i) {
            offsets.push_back(random() % 4000);
            sizes.push_back(1 + random() % (round % 3 ? 40 : 2000));
            std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(offsets.back()), sizes.back(), true);
        }
        const std::size_t intents = 1 + random() % 10, intents_size = pmemobj_tx_log_intents_max_size(intents);
        const std::size_t needed = std::max<std::size_t>(16, pmemobj_tx_log_snapshots_max_size(sizes.data(), sizes.size()));
        const auto least = static_cast<std::size_t>(std::count(covered.begin(), covered.end(), true));
        for (const bool is_enough : {true, false}) {
            if (!is_enough && least < 17) continue;
            std::memset(root->bytes, 1, sizeof root->bytes);
            PMEMoid buffers[2];
            ASSERT_EQ(pmemobj_alloc(pop, &buffers[0], needed + 64, 1, nullptr, nullptr), 0);
            ASSERT_EQ(pmemobj_alloc(pop, &buffers[1], intents_size + 64, 1, nullptr, nullptr), 0);
            char *const snapshots_at = static_cast<char *>(pmemobj_direct(buffers[0])) + random() % 64, *const intents_at = static_cast<char *>(pmemobj_direct(buffers[1])) + random() % 64;
            int code = -1;
            TX_BEGIN (pop) {
                pmemobj_tx_log_append_buffer(TX_LOG_TYPE_SNAPSHOT, snapshots_at, is_enough ? needed : least - 1);
                pmemobj_tx_log_append_buffer(TX_LOG_TYPE_INTENT, intents_at, intents_size);
                pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_SNAPSHOT, 0);
                pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_INTENT, 0);
                for (std::size_t i = 0; i < offsets.size(); ++i) {
                    pmemobj_tx_add_range_direct(root->bytes + offsets[i], sizes[i]);
                    std::memset(root->bytes + offsets[i], 2, sizes[i]);
                }
                for (std::size_t i = 0; i < intents; ++i) pmemobj_tx_alloc(10, 2);
                pmemobj_tx_abort(EDOM);
            }
            TX_ONABORT { code = pmemobj_tx_errno(); }
            TX_END
            EXPECT_EQ(code, is_enough ? EDOM : ENOMEM);
            EXPECT_EQ(std::count(root->bytes, root->bytes + sizeof root->bytes, 1), static_cast<std::ptrdiff_t>(sizeof root->bytes)) << "restored, from the buffer";
            pmemobj_free(&buffers[0]);
            pmemobj_free(&buffers[1]);
        }
    }
}

TEST_F(Pmemobj, P11_a_full_pool_is_ENOMEM_and_goes_on)
{
    std::size_t made = 0;
    PMEMoid oid;
    while (pmemobj_alloc(pop, &oid, 500000, 1, nullptr, nullptr) == 0) ++made;
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_GT(made, 15u);
    int error = 0;
    TX_BEGIN (pop) { pmemobj_tx_alloc(500000, 1); }
    TX_ONABORT { error = pmemobj_tx_errno(); }
    TX_END
    EXPECT_EQ(error, ENOMEM);
    POBJ_FOREACH (pop, oid) {
        pmemobj_free(&oid);
        break;
    }
    EXPECT_EQ(pmemobj_alloc(pop, &oid, 500000, 1, nullptr, nullptr), 0);
}
