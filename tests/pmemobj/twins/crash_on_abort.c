/* SPDX-License-Identifier: MIT */
/* POBJ_TX_CRASH_ON_NO_ONABORT: an abort that no TX_ONABORT looks at ends the process. */
#define POBJ_TX_CRASH_ON_NO_ONABORT
#include "twin.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *path;
static PMEMobjpool *pop;
static uint64_t *number;

static void commits(void)
{
    TX_BEGIN(pop) {
        TX_MEMSET(number, 1, sizeof *number);
    } TX_END
}

static void aborts_with_onabort(void)
{
    TX_BEGIN(pop) {
        TX_MEMSET(number, 2, sizeof *number);
        pmemobj_tx_abort(0);
    } TX_ONABORT {
        puts("onabort");
    } TX_END
}

static void aborts_without(void)
{
    TX_BEGIN(pop) {
        TX_MEMSET(number, 3, sizeof *number);
        pmemobj_tx_abort(0);
    } TX_ONCOMMIT {
        puts("not reached");
    } TX_END
}

static void aborts_inside(void)
{
    TX_BEGIN(pop) {
        TX_BEGIN(pop) {
            TX_MEMSET(number, 4, sizeof *number);
            pmemobj_tx_abort(0);
        } TX_ONABORT {
            puts("inner onabort");
        } TX_END
    } TX_FINALLY {
        puts("not reached");
    } TX_END
}

static void in_a_process(const char *name, void (*function)(void))
{
    printf("-- %s\n", name);
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) exit(3);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        if (!(pop = pmemobj_open(path, "crash"))) exit(3);
        number = (uint64_t *)pmemobj_direct(pmemobj_root(pop, sizeof *number));
        function();
        pmemobj_close(pop);
        exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child) exit(3);
    printf("%s\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? "SIGABRT" : WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "ended well" : "something else");
    if (!(pop = pmemobj_open(path, "crash"))) exit(3);
    printf("number %" PRIx64 "\n", *(uint64_t *)pmemobj_direct(pmemobj_root(pop, sizeof *number)));
    pmemobj_close(pop);
}

int main(int argc, char **argv)
{
    pmemobj_close(new_pool(argc, argv, "crash"));
    path = argv[1];
    in_a_process("commits", commits);
    in_a_process("aborts, with TX_ONABORT", aborts_with_onabort);
    in_a_process("aborts, without", aborts_without);
    in_a_process("aborts inside, and only the inner one has TX_ONABORT", aborts_inside);
    return 0;
}
