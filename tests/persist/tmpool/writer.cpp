// SPDX-License-Identifier: MIT
/**
 * writer FILE COMMITS: a program that has a pool open. Makes so many commits, 0: until it is killed; says "ready" on standard output after the last, or
 * the 100th; then waits for the end of standard input, and closes the pool. Nothing reaches the data file before that.
 *
 * Commit i writes i as text at byte 0 and at byte 9000 of the memory. COMMITS may be "heap": then it allocates three blocks, 100 bytes named by the root "small", 100000 by the root
 * "large", and one that it frees again but leaves named "freed".
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tm/persist.hpp>
#include <unistd.h>

/** Root 0 as in format.md, by plain stores: a transaction would be a group of its own. */
static void name_first(const libtm::pool &pool)
{
    constexpr std::uint64_t first = 4096;
    char *const root = pool.data() - first + 64;
    std::strcpy(root, "first");
    std::memcpy(root + TM_POOL_ROOT_NAME_SIZE, &first, sizeof first);
}

static void use_heap(libtm::pool &pool)
{
    const auto allocate = [&](const char *name, std::size_t size) {
        void *const block = libtm::atomically([&] {
            void *const made = tm_pool_malloc(pool.handle(), size);
            if (!made) throw libtm::pool_error{};
            pool.set_root(name, made);
            return made;
        });
        return block;
    };
    allocate("small", 100);
    allocate("large", 100000);
    if (tm_pool_free(pool.handle(), allocate("freed", 100)) != 0) throw libtm::pool_error{};
}

int main(int count, char **arguments)
{
    if (count != 3) return 2;
    const bool in_heap = std::strcmp(arguments[2], "heap") == 0;
    const long commits = in_heap ? 1 : std::atol(arguments[2]);
    try {
        libtm::pool::attr attr{};
        attr.flags = commits ? TM_POOL_NO_THREAD : 0;
        libtm::pool pool{arguments[1], attr};
        for (long i = 1; commits == 0 || i <= commits; ++i) {
            std::sprintf(pool.data(), "commit %ld", i);
            std::sprintf(pool.data() + 9000, "commit %ld", i);
            if (i == 1 && in_heap) use_heap(pool);
            else if (i == 1) name_first(pool);
            pool.commit();
            if (i == (commits ? commits : 100)) {
                std::puts("ready");
                std::fflush(stdout);
            }
        }
        char byte;
        while (::read(STDIN_FILENO, &byte, 1) > 0) {}
        pool.close();
    } catch (const libtm::pool_error &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
