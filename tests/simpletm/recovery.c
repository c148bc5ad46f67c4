/* SPDX-License-Identifier: MIT */
/* K4: errors, the recovery block, tm_recover, tm_restart, the action log. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "tm.h"

static int shared;
static int applied, undone;
static int order[16], orders;

static void apply_count(uintptr_t data)
{
    applied += (int)data;
}

static void undo_count(uintptr_t data)
{
    undone += (int)data;
    order[orders++] = (int)data;
}

static void undo_open(uintptr_t data)
{
    close((int)data);
}

static int open_tx(const char *path)
{
    save_errno();
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        tm_recover(errno);
    append_to_log(NULL, undo_open, (uintptr_t)fd);
    return fd;
}

static void an_error_leads_to_recovery(void)
{
    tm_save int fd = -1;
    tm_save int recoveries = 0;
    const char *tm_save path = "/there/is/no/such/file";
    tm_begin
        store_int(&shared, 5);
        fd = open_tx(path);
    tm_commit
        recoveries = recoveries + 1;
        CHECK(tm_recovery_errno() == ENOENT);
        CHECK(shared == 0);
        path = "/dev/null";
        tm_restart();
    tm_end
    CHECK(recoveries == 1);
    CHECK(shared == 5);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) >= 0);
    close(fd);
}

static void recovery_leaves_by_default(void)
{
    tm_save int blocks = 0;
    shared = 1;
    tm_begin
        blocks = blocks + 1;
        store_int(&shared, 2);
        tm_recover(EIO);
    tm_commit
        CHECK(tm_recovery_errno() == EIO);
    tm_end
    CHECK(blocks == 1);
    CHECK(shared == 1);
}

static void log_is_applied_and_undone(void)
{
    tm_save int attempts = 0;
    applied = undone = orders = 0;
    tm_begin
        attempts = attempts + 1;
        append_to_log(apply_count, undo_count, 1);
        append_to_log(apply_count, undo_count, 10);
        append_to_log(NULL, NULL, 0);
        if (attempts == 1)
            tm_restart();
    tm_commit
        CHECK(!"an error");
    tm_end
    CHECK(applied == 11 && undone == 11);
    CHECK(order[0] == 10 && order[1] == 1);
}

static void errno_is_restored(void)
{
    tm_save int attempts = 0;
    errno = 7;
    tm_begin
        attempts = attempts + 1;
        CHECK(errno == 7);
        save_errno();
        errno = 8;
        if (attempts < 3)
            tm_restart();
    tm_commit
        CHECK(!"an error");
    tm_end
    CHECK(errno == 8);
}

int main(void)
{
    an_error_leads_to_recovery();
    recovery_leaves_by_default();
    log_is_applied_and_undone();
    errno_is_restored();
    return check_result();
}
