/* SPDX-License-Identifier: MIT */
/**
 * @file storage.h
 * What a pool asks of files: every system call that it makes on its data file and its journal, as one table of functions. The table of the
 * operating system is the default; another one may keep files in memory, count, inject faults, or record what is written (tm/crash.hpp).
 *
 * A pool assumes of a storage what POSIX says and what devices keep:
 * - What was written is durable when a later sync() of the same file has returned 0, and not before; the size of the file with it.
 * - A name is durable when a later sync_directory() has returned 0.
 * - Until then a crash may keep any part of it, in units of 512 bytes, in any order.
 * - After a failed sync() nothing is known of what was written before it.
 *
 * Every function gets the table itself first, so that a storage may be a struct that begins with one. All may be called by several
 * threads at once. Results: >= 0, or -errno.
 */
#ifndef TM_STORAGE_H
#define TM_STORAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** How a file is opened. Symbolic links are refused (-ELOOP) in each. */
enum {
    TM_STORAGE_READ = 0,  /**< to be read */
    TM_STORAGE_WRITE = 1, /**< to be read and written */
    TM_STORAGE_CREATE = 2 /**< made, for its owner alone (0600), to be read and written; -EEXIST if there is one */
};

/** What is known of an open file. */
typedef struct tm_storage_info {
    uint64_t size;   /**< bytes */
    uint64_t device; /**< with `inode`: which file it is, whatever its names */
    uint64_t inode;
    uint32_t links; /**< names */
    uint32_t mode;  /**< as st_mode of stat(2) */
} tm_storage_info;

/** Files, as a pool uses them. A file is a handle >= 0. */
typedef struct tm_storage tm_storage;
struct tm_storage {
    /** Open the file `path` as TM_STORAGE_READ, ... says. Returns a handle. */
    int (*open)(tm_storage *self, const char *path, int how);
    /** Make a file without a name in the directory of `path`, for its owner alone. Returns a handle. -EOPNOTSUPP where that is unknown: then TM_STORAGE_CREATE is used. */
    int (*create_unnamed)(tm_storage *self, const char *path);
    /** Name a file of create_unnamed(). -EEXIST if the name is taken. */
    int (*name)(tm_storage *self, int file, const char *path);
    /** Take the name `path` away. */
    int (*remove)(tm_storage *self, const char *path);
    /** Give `from` the name `to` instead. -EEXIST if that is taken. */
    int (*rename)(tm_storage *self, const char *from, const char *to);
    /** Close; gives back the lock. */
    int (*close)(tm_storage *self, int file);
    int (*info)(tm_storage *self, int file, tm_storage_info *info);
    /** Read up to `size` bytes at `offset`: at least 1, or 0 at the end. `cached`: only what needs no device, else -EAGAIN. */
    ssize_t (*read)(tm_storage *self, int file, void *to, size_t size, uint64_t offset, int cached);
    /** Write up to what `parts` hold at `offset`, at least 1 byte; makes the file longer where needed. */
    ssize_t (*write)(tm_storage *self, int file, const struct iovec *parts, int count, uint64_t offset);
    /** Have space for `size` bytes at `offset`, so that a write there does not fail for want of it; the file is at least so long then. New bytes are zero. */
    int (*reserve)(tm_storage *self, int file, uint64_t offset, uint64_t size);
    /** Make the file `size` bytes long. */
    int (*truncate)(tm_storage *self, int file, uint64_t size);
    /** Make durable what was written to the file, and its size: fdatasync(2). */
    int (*sync)(tm_storage *self, int file);
    /** Make the names in the directory of `path` durable: fsync(2) of the directory. */
    int (*sync_directory)(tm_storage *self, const char *path);
    /** Take the lock that one handle of a file can have. -EAGAIN: another has it, in process `*holder` (0: unknown). */
    int (*lock)(tm_storage *self, int file, int64_t *holder);
    /** Map `size` bytes of the file from `offset` at `address` in place of what is there: private, readable and writable. */
    int (*map)(tm_storage *self, int file, void *address, size_t size, uint64_t offset);
    /** What of the above the medium is known not to keep: a sentence, or NULL. A static string. */
    const char *(*weakness)(tm_storage *self, int file);
};

/** The files of the operating system. Never NULL. */
tm_storage *tm_storage_system(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
