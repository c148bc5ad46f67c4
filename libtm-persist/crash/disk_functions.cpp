// SPDX-License-Identifier: MIT
#include "disk.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace libtm::crash {

/** Each under the mutex, without exceptions: what the system would say, for names in directories that all exist. */
struct Disk::Data::Functions {
    template <typename Body> static auto locked(tm_storage *self, Body body) noexcept -> decltype(body(*static_cast<Data *>(nullptr)))
    {
        try {
            Data &data = of(self);
            const std::scoped_lock lock(data.mutex);
            return body(data);
        } catch (const std::system_error &e) {
            return -e.code().value();
        } catch (const std::bad_alloc &) {
            return -ENOMEM;
        }
    }

    static int open(tm_storage *self, const char *path, int how)
    {
        return locked(self, [=](Data &data) -> int {
            const auto found = data.names.find(path);
            if (how != TM_STORAGE_CREATE) return found == data.names.end() ? -ENOENT : data.handle(found->second, how == TM_STORAGE_WRITE);
            if (found != data.names.end()) return -EEXIST;
            const auto node = data.make(path);
            node->links = 1;
            data.names[path] = node;
            data.add({.kind = Event::create, .file = node->number, .path = path});
            return data.handle(node, true);
        });
    }

    static int create_unnamed(tm_storage *self, const char *path)
    {
        return locked(self, [=](Data &data) -> int {
            if (!data.unnamed) return -EOPNOTSUPP;
            const auto node = data.make(path);
            data.add({.kind = Event::create_unnamed, .file = node->number, .path = path});
            return data.handle(node, true);
        });
    }

    static int name(tm_storage *self, int file, const char *path)
    {
        return locked(self, [=](Data &data) -> int {
            if (!data.node(file)) return -EBADF;
            const auto node = data.handles[static_cast<std::size_t>(file)].node;
            if (!data.names.emplace(path, node).second) return -EEXIST;
            ++node->links;
            data.add({.kind = Event::name, .file = node->number, .path = path});
            return 0;
        });
    }

    static int remove(tm_storage *self, const char *path)
    {
        return locked(self, [=](Data &data) -> int {
            const auto found = data.names.find(path);
            if (found == data.names.end()) return -ENOENT;
            --found->second->links;
            data.add({.kind = Event::remove, .file = found->second->number, .path = path});
            data.names.erase(found);
            return 0;
        });
    }

    static int rename(tm_storage *self, const char *from, const char *to)
    {
        return locked(self, [=](Data &data) -> int {
            const auto found = data.names.find(from);
            if (found == data.names.end()) return -ENOENT;
            if (data.names.contains(to)) return -EEXIST;
            const auto node = found->second;
            data.names.erase(found);
            data.names[to] = node;
            data.add({.kind = Event::rename, .file = node->number, .path = from, .to = to});
            return 0;
        });
    }

    static int close(tm_storage *self, int file)
    {
        return locked(self, [=](Data &data) -> int {
            Node *const node = data.node(file);
            if (!node) return -EBADF;
            if (node->locked == file) node->locked = -1;
            data.handles[static_cast<std::size_t>(file)].node.reset();
            return 0;
        });
    }

    static int info(tm_storage *self, int file, tm_storage_info *info)
    {
        return locked(self, [=](Data &data) -> int {
            const Node *const node = data.node(file);
            if (!node) return -EBADF;
            *info = {node->content.size(), 0x746d, node->number, node->links, S_IFREG | 0600};
            return 0;
        });
    }

    static ssize_t read(tm_storage *self, int file, void *to, size_t size, uint64_t offset, int)
    {
        return locked(self, [=](Data &data) -> ssize_t {
            const Node *const node = data.node(file);
            return node ? static_cast<ssize_t>(node->content.read(to, size, offset)) : -EBADF;
        });
    }

    static ssize_t write(tm_storage *self, int file, const iovec *parts, int count, uint64_t offset)
    {
        return locked(self, [=](Data &data) -> ssize_t {
            Node *const node = data.node(file, true);
            if (!node) return -EBADF;
            auto bytes = std::make_shared<std::vector<std::byte>>();
            for (int i = 0; i < count; ++i) {
                const auto *const part = static_cast<const std::byte *>(parts[i].iov_base);
                bytes->insert(bytes->end(), part, part + parts[i].iov_len);
            }
            const std::size_t size = bytes->size();
            if (size == 0) return 0;
            if (!data.fits(*node, size, offset)) return -ENOSPC;
            const bool longer = offset + size > node->content.size();
            node->content.write(bytes->data(), size, offset);
            if (node->memfd && longer) node->memfd->show(node->content);
            else if (node->memfd) node->memfd->update(node->content, size, offset);
            data.add({.kind = Event::write, .file = node->number, .path = node->label, .offset = offset, .size = size, .bytes = std::move(bytes)});
            return static_cast<ssize_t>(size);
        });
    }

    static int reserve(tm_storage *self, int file, uint64_t offset, uint64_t size)
    {
        return locked(self, [=](Data &data) -> int {
            Node *const node = data.node(file, true);
            if (!node) return -EBADF;
            if (size == 0) return -EINVAL;
            if (!data.fits(*node, size, offset)) return -ENOSPC;
            if (data.space != UINT64_MAX)
                for (uint64_t b = offset / block_size; b <= (offset + size - 1) / block_size; ++b) node->reserved.insert(b);
            if (offset + size > node->content.size()) data.resize(*node, offset + size);
            data.add({.kind = Event::reserve, .file = node->number, .path = node->label, .offset = offset, .size = size});
            return 0;
        });
    }

    static int truncate(tm_storage *self, int file, uint64_t size)
    {
        return locked(self, [=](Data &data) -> int {
            Node *const node = data.node(file, true);
            if (!node) return -EBADF;
            data.resize(*node, size);
            data.add({.kind = Event::truncate, .file = node->number, .path = node->label, .size = size});
            return 0;
        });
    }

    static int sync(tm_storage *self, int file)
    {
        return locked(self, [=](Data &data) -> int {
            Node *const node = data.node(file);
            if (!node) return -EBADF;
            node->durable = node->content;
            data.add({.kind = Event::sync, .file = node->number, .path = node->label});
            return 0;
        });
    }

    static int sync_directory(tm_storage *self, const char *path)
    {
        return locked(self, [=](Data &data) -> int {
            data.add({.kind = Event::sync_directory, .path = directory(path)});
            return 0;
        });
    }

    static int lock(tm_storage *self, int file, int64_t *holder)
    {
        return locked(self, [=](Data &data) -> int {
            Node *const node = data.node(file);
            if (!node) return -EBADF;
            if (node->locked >= 0 && node->locked != file) {
                if (holder) *holder = getpid();
                return -EAGAIN;
            }
            node->locked = file;
            return 0;
        });
    }

    static int map(tm_storage *self, int file, void *address, size_t size, uint64_t offset)
    {
        return locked(self, [=](Data &data) -> int {
            Node *const node = data.node(file);
            if (!node) return -EBADF;
            if (!node->memfd) node->memfd = Memfd::take(node->content);
            void *const mapped = mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, node->memfd->descriptor(), static_cast<off_t>(offset));
            return mapped == MAP_FAILED ? -errno : 0;
        });
    }

    static const char *weakness(tm_storage *, int) { return nullptr; }
};

tm_storage Disk::Data::functions()
{
    using F = Functions;
    return {F::open, F::create_unnamed, F::name, F::remove, F::rename, F::close, F::info, F::read, F::write,
            F::reserve, F::truncate, F::sync, F::sync_directory, F::lock, F::map, F::weakness};
}

} // namespace libtm::crash
