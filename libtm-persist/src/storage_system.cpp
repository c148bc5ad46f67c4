// SPDX-License-Identifier: MIT
/**
 * @file storage_system.cpp
 * The storage that is the operating system's files. The only system calls of libtm-persist on files stand here.
 */
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <mutex>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <tm/storage.h>
#include <unistd.h>
#include <vector>

namespace {

int result_of(int result) { return result < 0 ? -errno : result; }

/** Descriptors 0 to 2 are never a pool's: what somebody prints would land in it. */
int above_standard(int file)
{
    if (file < 0) return -errno;
    if (file > 2) return file;
    const int better = fcntl(file, F_DUPFD_CLOEXEC, 3);
    const int fault = errno;
    ::close(file);
    return better < 0 ? -fault : better;
}

std::string directory_of(const char *path)
{
    const char *const slash = std::strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/" : std::string(path, slash);
}

int system_open(tm_storage *, const char *path, int how)
{
    // O_NONBLOCK: a pipe of that name must not hold us up before it is refused.
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (how == TM_STORAGE_READ ? O_RDONLY : O_RDWR) | (how == TM_STORAGE_CREATE ? O_CREAT | O_EXCL : 0);
    return above_standard(::open(path, flags, 0600));
}

int create_unnamed(tm_storage *, const char *path)
{
    const int file = above_standard(::open(directory_of(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    return file == -EISDIR || file == -EINVAL ? -EOPNOTSUPP : file; // what systems say that do not know of it
}

int name_file(tm_storage *, int file, const char *path)
{
    char link[32];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return result_of(::linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
}

int remove_name(tm_storage *, const char *path) { return result_of(::unlink(path)); }

int rename_file(tm_storage *, const char *from, const char *to)
{
    if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL) return -errno;
    // A file system that cannot refuse to replace can still refuse a second name.
    if (::link(from, to) < 0) return -errno;
    return result_of(::unlink(from));
}

int info_of(tm_storage *, int file, tm_storage_info *info)
{
    struct stat status;
    if (::fstat(file, &status) < 0) return -errno;
    *info = {static_cast<std::uint64_t>(status.st_size), status.st_dev, status.st_ino, static_cast<std::uint32_t>(status.st_nlink), status.st_mode};
    return 0;
}

bool is_in_memory(int file)
{
    struct statfs system;
    return ::fstatfs(file, &system) == 0 && system.f_type == TMPFS_MAGIC;
}

ssize_t read_bytes(tm_storage *, int file, void *to, size_t size, std::uint64_t offset, int cached)
{
    iovec part{to, size};
    ssize_t count = ::preadv2(file, &part, 1, static_cast<off_t>(offset), cached ? RWF_NOWAIT : 0);
    if (count < 0 && errno == EOPNOTSUPP && is_in_memory(file)) count = ::pread(file, to, size, static_cast<off_t>(offset));
    return count < 0 ? -errno : count;
}

/** SIGXFSZ would end the process; its limit is asked beforehand. */
bool is_beyond_limit(std::uint64_t end)
{
    rlimit limit{};
    return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && end > limit.rlim_cur;
}

ssize_t write_bytes(tm_storage *, int file, const iovec *parts, int count, std::uint64_t offset)
{
    std::uint64_t size = 0;
    for (int i = 0; i < count; ++i) size += parts[i].iov_len;
    if (is_beyond_limit(offset + size)) return -EFBIG;
    const ssize_t written = ::pwritev(file, parts, count, static_cast<off_t>(offset));
    return written < 0 ? -errno : written;
}

int truncate_file(tm_storage *, int file, std::uint64_t size)
{
    if (is_beyond_limit(size)) return -EFBIG;
    return result_of(::ftruncate(file, static_cast<off_t>(size)));
}

int reserve_space(tm_storage *self, int file, std::uint64_t offset, std::uint64_t size)
{
    if (is_beyond_limit(offset + size)) return -EFBIG;
    if (::fallocate(file, 0, static_cast<off_t>(offset), static_cast<off_t>(size)) == 0) return 0;
    if (errno != EOPNOTSUPP) return -errno;
    // Holes are filled by writing what is read in them.
    char bytes[4096];
    for (std::uint64_t at = offset, end = offset + size; at < end;) {
        const std::size_t step = std::min<std::uint64_t>(sizeof bytes, end - at);
        std::memset(bytes, 0, step);
        const ssize_t read = ::pread(file, bytes, step, static_cast<off_t>(at));
        if (read < 0) return -errno;
        const iovec part{bytes, step};
        const ssize_t written = write_bytes(self, file, &part, 1, at);
        if (written < 0) return static_cast<int>(written);
        at += static_cast<std::uint64_t>(written);
    }
    return 0;
}

int sync_file(tm_storage *, int file) { return result_of(::fdatasync(file)); }

int sync_directory_of(tm_storage *, const char *path)
{
    const int directory = above_standard(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory < 0) return directory;
    const int result = result_of(::fsync(directory));
    ::close(directory);
    return result;
}

/** A file whose lock this process has. */
struct Locked {
    int file;
    dev_t device;
    ino_t inode;
};
std::mutex locked_mutex;
std::vector<Locked> locked;

/** In the child of a fork: the locks are its parent's. Held over a fork, so that the child can use it. */
void follow_forks()
{
    static const int registered = ::pthread_atfork([] { locked_mutex.lock(); }, [] { locked_mutex.unlock(); },
                                                   [] {
                                                       locked.clear();
                                                       locked_mutex.unlock();
                                                   });
    static_cast<void>(registered); // no memory: then a child may take itself for the holder
}

/** Take the lock of byte 1, which only tells others who we are: it is the process's, and lost whenever it closes any handle of the file. */
bool sign(int file)
{
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 1;
    lock.l_len = 1;
    return ::fcntl(file, F_SETLK, &lock) == 0;
}

/** Byte 0 carries the lock: it belongs to the open file, so that nothing else in this process, and no fork, gives it away by chance. */
int lock_file(tm_storage *, int file, std::int64_t *holder)
{
    struct stat status;
    if (::fstat(file, &status) < 0) return -errno;
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    follow_forks();
    const std::lock_guard guard(locked_mutex);
    if (::fcntl(file, F_OFD_SETLK, &lock) == 0) {
        locked.push_back({file, status.st_dev, status.st_ino});
        sign(file);
        return 0;
    }
    if (errno != EAGAIN && errno != EACCES) return -errno;
    *holder = 0;
    if (std::any_of(locked.begin(), locked.end(), [&](const Locked &own) { return own.device == status.st_dev && own.inode == status.st_ino; })) {
        *holder = ::getpid();
    } else {
        lock.l_start = 1;
        if (::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) *holder = lock.l_pid;
    }
    return -EAGAIN;
}

int close_file(tm_storage *, int file)
{
    const std::lock_guard guard(locked_mutex);
    std::erase_if(locked, [&](const Locked &own) { return own.file == file; });
    const int result = result_of(::close(file));
    for (const Locked &own : locked) sign(own.file);
    return result;
}

int map_file(tm_storage *self, int file, void *address, size_t size, std::uint64_t offset)
{
    // A mapping holds on to what it was made from, and a forked child inherits it: made from the file that has the lock, it would keep the lock
    // when we are gone. So it is made from the same file opened once more.
    char link[32];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const int again = above_standard(::open(link, O_RDONLY | O_CLOEXEC));
    void *const at = ::mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, again < 0 ? file : again, static_cast<off_t>(offset));
    const int result = at == MAP_FAILED ? -errno : 0;
    if (again >= 0) close_file(self, again);
    return result;
}

const char *weakness_of(tm_storage *, int file)
{
    struct statfs system{};
    if (::fstatfs(file, &system) < 0) return nullptr;
    switch (static_cast<unsigned long>(system.f_type)) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC: return "the file system is in memory: nothing survives a power cut or a reboot";
    case NFS_SUPER_MAGIC: return "NFS: locks and syncs depend on the server; a second writer on another machine may not be noticed";
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC: return "SMB: locks and syncs depend on the server; a second writer on another machine may not be noticed";
    case V9FS_MAGIC: return "9p: syncs and locks depend on the host";
    case FUSE_SUPER_MAGIC: return "FUSE: syncs and locks depend on the program behind the file system";
    case OVERLAYFS_SUPER_MAGIC: return "overlayfs: with the option volatile nothing is synced";
    case BTRFS_SUPER_MAGIC: return "btrfs copies on write: a full disk may be met after space was reserved, and then poisons the pool (no commit is lost)";
    case MSDOS_SUPER_MAGIC:
    case EXFAT_SUPER_MAGIC: return "FAT: names are not changed atomically";
    case ECRYPTFS_SUPER_MAGIC: return "eCryptfs: a page may be torn in other units than 512 bytes";
    default: return nullptr;
    }
}

tm_storage system_storage = {system_open, create_unnamed, name_file, remove_name, rename_file, close_file, info_of, read_bytes, write_bytes,
                             reserve_space, truncate_file, sync_file, sync_directory_of, lock_file, map_file, weakness_of};

} // namespace

extern "C" tm_storage *tm_storage_system(void)
{
    return &system_storage;
}
