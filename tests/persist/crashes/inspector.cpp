// SPDX-License-Identifier: MIT
/** The calls that an Inspector passes on, and what it learns from them. */
#include "inspector_data.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::testing {

bool is_journal(const std::string &path) { return path.ends_with("-journal"); }

namespace {

std::string pool_of(const std::string &path)
{
    for (const std::string end : {"-journal", "-new"})
        if (path.ends_with(end)) return path.substr(0, path.size() - end.size());
    return path;
}

std::string directory_of(const std::string &path)
{
    const std::size_t slash = path.rfind('/');
    return slash == path.npos ? std::string() : path.substr(0, slash);
}

std::vector<char> joined(const iovec *parts, int count)
{
    std::vector<char> bytes;
    for (int i = 0; i < count; ++i) {
        const auto *const part = static_cast<const char *>(parts[i].iov_base);
        bytes.insert(bytes.end(), part, part + parts[i].iov_len);
    }
    return bytes;
}

} // namespace

struct Inspector::Data::Functions {
    static Data &of(tm_storage *self) { return *static_cast<Data *>(self); }

    static int opened(Data &d, int handle, const std::shared_ptr<Book> &book)
    {
        d.handles[handle] = {book, false};
        return handle;
    }

    static int open(tm_storage *self, const char *path, int how)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        d.changes += how == TM_STORAGE_CREATE;
        const int result = d.inner->open(d.inner, path, how);
        return result < 0 ? result : opened(d, result, d.book_of(path, how == TM_STORAGE_CREATE));
    }
    static int create_unnamed(tm_storage *self, const char *path)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        ++d.changes;
        const int result = d.inner->create_unnamed(d.inner, path);
        if (result < 0) return result;
        const auto book = std::make_shared<Book>();
        book->set_path(path);
        book->pool = pool_of(path);
        book->is_named = book->has_durable_name = false;
        return opened(d, result, book);
    }
    static int name(tm_storage *self, int file, const char *path)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        ++d.changes;
        const std::shared_ptr<Book> book = d.handles[file].book;
        d.before_naming(*book, path);
        const int result = d.inner->name(d.inner, file, path);
        if (result == 0) d.names[path] = book, book->is_named = true;
        return result;
    }
    static int remove(tm_storage *self, const char *path)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        ++d.changes;
        d.before_removal(path);
        const int result = d.inner->remove(d.inner, path);
        if (result == 0 && d.names.contains(path)) d.ghosts[path] = d.names[path], d.names.erase(path);
        return result;
    }
    static int rename(tm_storage *self, const char *from, const char *to)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        ++d.changes;
        const std::shared_ptr<Book> book = d.named(from);
        if (book) d.before_naming(*book, to);
        const int result = d.inner->rename(d.inner, from, to);
        if (result == 0 && book) {
            d.names.erase(from);
            d.names[to] = book;
            book->set_path(to);
            book->is_named = true;
        }
        return result;
    }
    static int close(tm_storage *self, int file)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        d.handles.erase(file);
        return d.inner->close(d.inner, file);
    }
    static int info(tm_storage *self, int file, tm_storage_info *info)
    {
        tm_storage *const inner = of(self).inner;
        return inner->info(inner, file, info);
    }
    static ssize_t read(tm_storage *self, int file, void *to, size_t size, uint64_t offset, int cached)
    {
        tm_storage *const inner = of(self).inner;
        return inner->read(inner, file, to, size, offset, cached);
    }
    static ssize_t write(tm_storage *self, int file, const iovec *parts, int count, uint64_t offset)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        Handle &handle = d.handles[file];
        std::vector<char> bytes = joined(parts, count);
        d.before_change(handle, "write");
        d.before_write(*handle.book, offset, bytes);
        const ssize_t result = d.inner->write(d.inner, file, parts, count, offset);
        if (result >= 0) {
            bytes.resize(static_cast<std::size_t>(result));
            handle.book->write(offset, bytes);
        } else if (result != -EINTR) {
            d.failed(handle, offset, offset + bytes.size());
        }
        return result;
    }
    static int reserve(tm_storage *self, int file, uint64_t offset, uint64_t size)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        Book &book = *d.handles[file].book;
        d.before_change(d.handles[file], "reservation");
        const int result = d.inner->reserve(d.inner, file, offset, size);
        if (result == 0 && offset + size > book.bytes().size()) book.resize(offset + size);
        if (result < 0 && book.is_named) book.doubt(d.contents(book.path()), 0, 0);
        return result;
    }
    static int truncate(tm_storage *self, int file, uint64_t size)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        Book &book = *d.handles[file].book;
        d.before_change(d.handles[file], "truncation");
        d.before_truncate(book, size);
        const int result = d.inner->truncate(d.inner, file, size);
        if (result == 0) book.resize(size);
        else if (book.is_named) book.doubt(d.contents(book.path()), 0, 0);
        return result;
    }
    static int sync(tm_storage *self, int file)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        Handle &handle = d.handles[file];
        d.before_change(handle, "sync");
        const int result = d.inner->sync(d.inner, file);
        if (result == 0) handle.book->settle();
        else if (result != -EINTR) handle.book->fail(), d.failed(handle, 0, 0);
        return result;
    }
    static int sync_directory(tm_storage *self, const char *path)
    {
        Data &d = of(self);
        const std::scoped_lock lock(d.mutex);
        ++d.changes;
        const int result = d.inner->sync_directory(d.inner, path);
        const auto is_there = [&](const auto &file) { return directory_of(file.first) == directory_of(path); };
        if (result < 0) return result;
        for (auto &file : d.names)
            if (is_there(file)) file.second->has_durable_name = true;
        std::erase_if(d.ghosts, is_there);
        return result;
    }
    static int lock(tm_storage *self, int file, int64_t *holder)
    {
        tm_storage *const inner = of(self).inner;
        return inner->lock(inner, file, holder);
    }
    static int map(tm_storage *self, int file, void *address, size_t size, uint64_t offset)
    {
        tm_storage *const inner = of(self).inner;
        return inner->map(inner, file, address, size, offset);
    }
    static const char *weakness(tm_storage *self, int file)
    {
        tm_storage *const inner = of(self).inner;
        return inner->weakness(inner, file);
    }
};

Inspector::Data::Data(tm_storage *i, tm_storage *p)
    : tm_storage{Functions::open, Functions::create_unnamed, Functions::name, Functions::remove, Functions::rename, Functions::close,
                 Functions::info, Functions::read, Functions::write, Functions::reserve, Functions::truncate, Functions::sync,
                 Functions::sync_directory, Functions::lock, Functions::map, Functions::weakness},
      inner(i), plain(p)
{
}

std::vector<char> Inspector::Data::contents(const std::string &path) const
{
    const int file = plain->open(plain, path.c_str(), TM_STORAGE_READ);
    if (file < 0) return {};
    tm_storage_info info{};
    plain->info(plain, file, &info);
    std::vector<char> bytes(info.size);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = plain->read(plain, file, bytes.data() + done, bytes.size() - done, done, 0);
        if (count <= 0) break;
        done += static_cast<std::size_t>(count);
    }
    plain->close(plain, file);
    return bytes;
}

std::shared_ptr<Book> Inspector::Data::named(const std::string &path) const
{
    const auto found = names.find(path);
    return found == names.end() ? nullptr : found->second;
}

std::shared_ptr<Book> Inspector::Data::book_of(const std::string &path, bool is_new)
{
    std::shared_ptr<Book> &book = names[path];
    if (book && !is_new) return book;
    book = std::make_shared<Book>();
    book->set_path(path);
    book->pool = pool_of(path);
    book->is_named = !path.ends_with("-new");
    book->has_durable_name = !is_new;
    if (!is_new) book->begin(contents(path));
    return book;
}

/** The bytes from `offset` to `end` were to be written, if any; the disk may have any part of them. */
void Inspector::Data::failed(Handle &handle, std::uint64_t offset, std::uint64_t end)
{
    ++looks.failures;
    if (handle.book->is_named) handle.book->doubt(contents(handle.book->path()), offset, end);
    for (auto &[number, other] : handles)
        if (other.book->pool == handle.book->pool) other.is_dead = true;
}

void Inspector::Data::violated(const std::string &what)
{
    if (violation.empty()) violation = what;
}

Inspector::Inspector(tm_storage *inner, tm_storage *plain) : data_(std::make_unique<Data>(inner, plain)) {}
Inspector::~Inspector() = default;

tm_storage *Inspector::storage() { return data_.get(); }

void Inspector::use(tm_storage *inner)
{
    const std::scoped_lock lock(data_->mutex);
    data_->inner = inner;
}

std::string Inspector::violation() const
{
    const std::scoped_lock lock(data_->mutex);
    return data_->violation;
}

std::size_t Inspector::open_handles() const
{
    const std::scoped_lock lock(data_->mutex);
    return data_->handles.size();
}

std::uint64_t Inspector::changes() const
{
    const std::scoped_lock lock(data_->mutex);
    return data_->changes;
}

Inspector::Looks Inspector::looks() const
{
    const std::scoped_lock lock(data_->mutex);
    return data_->looks;
}

Inspector::Looks &Inspector::Looks::operator+=(const Looks &other)
{
    lines += other.lines;
    groups += other.groups;
    headers += other.headers;
    names += other.names;
    failures += other.failures;
    return *this;
}

} // namespace libtm::testing
