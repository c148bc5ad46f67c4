// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <tm/crash.hpp>
#include <tm/faults.hpp>
#include <unistd.h>

namespace libtm::crash {

std::string Fault::text() const
{
    const char *const name = strerrorname_np(code);
    const std::string error_name = name ? name : std::to_string(code);
    switch (kind) {
    case error: return error_name;
    case done_then_error: return error_name + " after it was done";
    case shorter: return "short";
    case kill: return "kill";
    case done_then_kill: return "kill after it was done";
    }
    return {};
}

std::vector<Fault> usual_faults()
{
    return {{Fault::error, EIO}, {Fault::done_then_error, EIO}, {Fault::error, ENOSPC}, {Fault::error, EINTR}, {Fault::shorter}};
}

struct Faults::Data : tm_storage {
    struct Functions;
    Data(tm_storage *inner, std::uint64_t at, const Fault &fault);

    enum Call { open, create_unnamed, name, remove, rename, close, info, read, write, reserve, truncate, sync, sync_directory, lock, map };
    static constexpr const char *call_names[] = {"open", "create_unnamed", "name", "remove", "rename", "close", "info", "read",
                                                 "write", "reserve", "truncate", "sync", "sync_directory", "lock", "map"};

    /** Count a call; the fault it gets, or nullptr. `size`: bytes to transfer. */
    const Fault *count(Call call, std::string what, std::size_t size);
    bool applies(Call call, std::size_t size) const;
    std::string path_of(int file) const
    {
        const std::scoped_lock lock(mutex);
        const auto found = paths.find(file);
        return found == paths.end() ? "?" : found->second;
    }

    tm_storage *const inner;
    const std::uint64_t at;
    const Fault fault;
    mutable std::mutex mutex;
    std::vector<std::string> names; // of the calls
    std::map<int, std::string> paths; // of the handles
    bool reached = false;
    Call function = open; // that was hit
};

bool Faults::Data::applies(Call call, std::size_t size) const
{
    if (fault.kind == Fault::shorter) return (call == read || call == write) && size > 1;
    if (fault.kind != Fault::error || fault.code != EINTR) return true;
    return call == open || call == read || call == write || call == reserve || call == truncate || call == sync;
}

const Fault *Faults::Data::count(Call call, std::string what, std::size_t size)
{
    const std::scoped_lock lock(mutex);
    const std::uint64_t number = names.size();
    names.push_back(std::string(call_names[call]) + " " + what);
    const bool hit = number == at || (fault.for_ever && reached && call == function);
    if (!hit || !applies(call, size)) return nullptr;
    if (number == at) function = call;
    reached = true;
    return &fault;
}

struct Faults::Data::Functions {
    static Data &of(tm_storage *self) { return *static_cast<Data *>(self); }

    /** Call with the fault it gets. `call`: does it; `failed`: what else an error means. */
    template <typename Body, typename Failed> static auto with(const Fault *fault, Body body, Failed failed) -> decltype(body())
    {
        if (!fault || fault->kind == Fault::shorter) return body();
        if (fault->kind == Fault::kill) ::kill(getpid(), SIGKILL);
        if (fault->kind == Fault::error) {
            failed(fault->code);
            return -fault->code;
        }
        const auto result = body();
        if (fault->kind == Fault::done_then_kill) ::kill(getpid(), SIGKILL);
        return result < 0 ? result : -fault->code;
    }
    template <typename Body> static auto with(const Fault *fault, Body body) -> decltype(body()) { return with(fault, body, [](int) {}); }

    /** As with(), for what makes a handle: one that the caller does not learn of is closed. */
    template <typename Body> static int handle(Data &d, Call call, const char *path, Body body)
    {
        const Fault *const fault = d.count(call, path, 0);
        int made = -1;
        const int result = with(fault, [&] { return made = body(); });
        const std::scoped_lock lock(d.mutex);
        if (result < 0 && made >= 0) d.inner->close(d.inner, made);
        if (result >= 0) d.paths[result] = path;
        return result;
    }

    static int open(tm_storage *self, const char *path, int how)
    {
        Data &d = of(self);
        return handle(d, Data::open, path, [&] { return d.inner->open(d.inner, path, how); });
    }
    static int create_unnamed(tm_storage *self, const char *path)
    {
        Data &d = of(self);
        return handle(d, Data::create_unnamed, path, [&] { return d.inner->create_unnamed(d.inner, path); });
    }
    static int name(tm_storage *self, int file, const char *path)
    {
        Data &d = of(self);
        return with(d.count(Data::name, path, 0), [&] { return d.inner->name(d.inner, file, path); });
    }
    static int remove(tm_storage *self, const char *path)
    {
        Data &d = of(self);
        return with(d.count(Data::remove, path, 0), [&] { return d.inner->remove(d.inner, path); });
    }
    static int rename(tm_storage *self, const char *from, const char *to)
    {
        Data &d = of(self);
        return with(d.count(Data::rename, from, 0), [&] { return d.inner->rename(d.inner, from, to); });
    }
    static int close(tm_storage *self, int file)
    {
        // As in Linux the handle is gone whatever is returned.
        Data &d = of(self);
        const Fault *const fault = d.count(Data::close, d.path_of(file), 0);
        return with(fault, [&] { return d.inner->close(d.inner, file); }, [&](int) { d.inner->close(d.inner, file); });
    }
    static int info(tm_storage *self, int file, tm_storage_info *info)
    {
        Data &d = of(self);
        return with(d.count(Data::info, d.path_of(file), 0), [&] { return d.inner->info(d.inner, file, info); });
    }
    static ssize_t read(tm_storage *self, int file, void *to, size_t size, uint64_t offset, int cached)
    {
        Data &d = of(self);
        const Fault *const fault = d.count(Data::read, d.path_of(file), size);
        if (fault && fault->kind == Fault::shorter) size = (size + 1) / 2;
        return with(fault, [&] { return d.inner->read(d.inner, file, to, size, offset, cached); });
    }
    static ssize_t write(tm_storage *self, int file, const iovec *parts, int count, uint64_t offset)
    {
        Data &d = of(self);
        std::size_t size = 0;
        for (int i = 0; i < count; ++i) size += parts[i].iov_len;
        const Fault *const fault = d.count(Data::write, d.path_of(file), size);
        std::vector<iovec> fewer(parts, parts + count);
        if (fault && fault->kind == Fault::shorter) {
            std::size_t left = size / 2;
            for (iovec &part : fewer) {
                part.iov_len = std::min(part.iov_len, left);
                left -= part.iov_len;
            }
        }
        return with(fault, [&] { return d.inner->write(d.inner, file, fewer.data(), count, offset); });
    }
    static int reserve(tm_storage *self, int file, uint64_t offset, uint64_t size)
    {
        Data &d = of(self);
        return with(d.count(Data::reserve, d.path_of(file), 0), [&] { return d.inner->reserve(d.inner, file, offset, size); });
    }
    static int truncate(tm_storage *self, int file, uint64_t size)
    {
        Data &d = of(self);
        return with(d.count(Data::truncate, d.path_of(file), 0), [&] { return d.inner->truncate(d.inner, file, size); });
    }
    static int sync(tm_storage *self, int file)
    {
        Data &d = of(self);
        return with(d.count(Data::sync, d.path_of(file), 0), [&] { return d.inner->sync(d.inner, file); }, [&](int code) {
            if (Disk *const disk = Disk::of(d.inner)) disk->fail_sync(file, code);
        });
    }
    static int sync_directory(tm_storage *self, const char *path)
    {
        Data &d = of(self);
        return with(d.count(Data::sync_directory, path, 0), [&] { return d.inner->sync_directory(d.inner, path); }, [&](int code) {
            if (Disk *const disk = Disk::of(d.inner)) disk->fail_sync_directory(path, code);
        });
    }
    static int lock(tm_storage *self, int file, int64_t *holder)
    {
        Data &d = of(self);
        return with(d.count(Data::lock, d.path_of(file), 0), [&] { return d.inner->lock(d.inner, file, holder); });
    }
    static int map(tm_storage *self, int file, void *address, size_t size, uint64_t offset)
    {
        Data &d = of(self);
        return with(d.count(Data::map, d.path_of(file), 0), [&] { return d.inner->map(d.inner, file, address, size, offset); });
    }
    static const char *weakness(tm_storage *self, int file)
    {
        Data &d = of(self);
        return d.inner->weakness(d.inner, file);
    }
};

Faults::Data::Data(tm_storage *i, std::uint64_t k, const Fault &f)
    : tm_storage{Functions::open, Functions::create_unnamed, Functions::name, Functions::remove, Functions::rename, Functions::close,
                 Functions::info, Functions::read, Functions::write, Functions::reserve, Functions::truncate, Functions::sync,
                 Functions::sync_directory, Functions::lock, Functions::map, Functions::weakness},
      inner(i), at(k), fault(f)
{
}

Faults::Faults(tm_storage *inner) : Faults(inner, UINT64_MAX, {}) {}
Faults::Faults(tm_storage *inner, std::uint64_t at, const Fault &fault) : data_(std::make_unique<Data>(inner, at, fault)) {}
Faults::~Faults() = default;

tm_storage *Faults::storage()
{
    return data_.get();
}

std::uint64_t Faults::calls() const
{
    const std::scoped_lock lock(data_->mutex);
    return data_->names.size();
}

std::vector<std::string> Faults::names() const
{
    const std::scoped_lock lock(data_->mutex);
    return data_->names;
}

bool Faults::applied() const
{
    const std::scoped_lock lock(data_->mutex);
    return data_->reached;
}

} // namespace libtm::crash
