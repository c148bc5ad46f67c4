// SPDX-License-Identifier: MIT
/**
 * @file create.cpp
 * Making the file of a pool, all at once: it gets its name when everything in it is durable.
 */
#include "copy.hpp"
#include "create.hpp"
#include "pool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/random.h>
#include <unistd.h>

namespace libtm::persist {

namespace {

Uuid new_uuid()
{
    Uuid uuid{};
    if (::getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) throw call_failed(errno, {}, "getrandom");
    uuid[6] = static_cast<unsigned char>((uuid[6] & 0x0f) | 0x40); // RFC 4122, version 4
    uuid[8] = static_cast<unsigned char>((uuid[8] & 0x3f) | 0x80);
    return uuid;
}

} // namespace

NewFile::NewFile(tm_storage &storage, std::string path) : storage_(storage), path_(std::move(path))
{
    // Before the work, since a name that is taken stays taken; and before there is anything to be taken away again.
    if (File::open_if_there(storage, path_, TM_STORAGE_READ)) throw call_failed(EEXIST, path_, "create");
    int handle = continued([&] { return storage.create_unnamed(&storage, path_.c_str()); });
    if (handle == -EOPNOTSUPP) {
        // A name that a crash may leave behind, and that nobody opens.
        temporary_ = temporary_name(path_);
        storage.remove(&storage, temporary_.c_str());
        handle = continued([&] { return storage.open(&storage, temporary_.c_str(), TM_STORAGE_CREATE); });
    }
    if (handle < 0) throw call_failed(-handle, path_, "create");
    file_ = File(storage, path_, handle);
}

NewFile::~NewFile()
{
    if (!temporary_.empty()) storage_.remove(&storage_, temporary_.c_str());
}

void NewFile::publish()
{
    file_.sync();
    const int result = temporary_.empty() ? storage_.name(&storage_, file_.handle(), path_.c_str()) : storage_.rename(&storage_, temporary_.c_str(), path_.c_str());
    if (result < 0) throw call_failed(-result, path_, "create");
    temporary_.clear();
    try {
        sync_directory(storage_, path_);
    } catch (const Failure &) {
        storage_.remove(&storage_, path_.c_str()); // else a file is there whose name nothing makes durable any more
        throw;
    }
}

Header new_header(std::uint64_t image_size, const tm_pool_attr &attr)
{
    Header header{};
    std::memcpy(header.magic, Header::expected_magic, sizeof header.magic);
    header.byte_order = byte_order_mark;
    header.format = format_version;
    header.word_size = sizeof(void *);
    header.page_size = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
    header.uuid = new_uuid();
    header.image_size = image_size;
    header.base = reinterpret_cast<std::uint64_t>(attr.base);
    header.reserve = std::max(rounded_up(attr.reserve, header.page_size), image_size);
    if (!attr.reserve) header.reserve = std::max<std::uint64_t>(4 * image_size, 1ull << 32);
    header.number = 1;
    header.tail = groups_offset;
    header.state = Header::closed;
    header.layout_version = attr.layout_version;
    if (attr.layout) std::strcpy(header.layout, attr.layout); // its length was checked
    return header;
}

void write_first_header(const File &file, const Header &header)
{
    const auto block = sealed(header);
    file.write(block.data(), block.size(), 0);
}

std::unique_ptr<Pool> Pool::create(const std::string &path, std::uint64_t size, const tm_pool_attr &attr)
{
    const std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    tm_storage &storage = attr.storage ? *attr.storage : *tm_storage_system();
    Header header = new_header(page + rounded_up(size, page), attr);
    {
        // The place is found before the file is made, and given back: the open takes it.
        Region region = choose_region(header.base, header.reserve, header.uuid);
        if (!region)
            throw Failure{EADDRINUSE, path, "base", 0, to_hex(header.base) + " is in use", std::to_string(header.reserve) + " free bytes there", "Choose another base, or none"};
        header.base = reinterpret_cast<std::uint64_t>(region.base());
    }
    NewFile file(storage, path);
    file.get().reserve(0, image_offset + header.image_size);
    write_first_header(file.get(), header);
    if (attr.flags & (TM_POOL_READ_ONLY | TM_POOL_THROWAWAY)) {
        file.publish();
        return open_copy(path, attr);
    }
    file.get().lock(); // before it can be found, so that nobody opens it before us
    file.publish();
    std::unique_ptr<Pool> pool(new Pool(path, attr));
    try {
        pool->data_ = file.take();
        pool->open_data(attr);
    } catch (...) {
        // Then nothing was created. It is ours as long as we have the lock, and its journal is that of nobody else. The pool's name goes first, and
        // durably: the header may say already that the pool is open, so a crash must not leave it without its journal.
        const bool is_gone = storage.remove(&storage, path.c_str()) == 0 && storage.sync_directory(&storage, path.c_str()) == 0;
        if (is_gone && pool->journal_.file()) storage.remove(&storage, journal_path(path).c_str());
        throw;
    }
    return pool;
}

void backup(const std::string &from, const std::string &to, const tm_pool_attr &attr, const Progress &progress)
{
    /** The new file is the target. */
    struct Target : CopyTarget {
        const File &file;
        explicit Target(const File &to) : file(to) {}
        void begin(const Header &header) override
        {
            file.truncate(0); // an earlier attempt's
            file.reserve(0, image_offset + header.image_size);
        }
        void write(std::uint64_t offset, const char *bytes, std::size_t size) override { file.write(bytes, size, image_offset + offset); }
    };
    tm_storage &storage = attr.storage ? *attr.storage : *tm_storage_system();
    NewFile file(storage, to);
    Target target(file.get());
    Header header = copy_committed(storage, from, target, progress);
    // A file of its own: groups of the original, or of its journal, mean nothing to it.
    header.uuid = new_uuid();
    header.number = 1;
    header.state = Header::closed;
    header.tail = groups_offset;
    header.inherited = header.inherited_generation = 0;
    write_first_header(file.get(), header);
    file.publish();
}

} // namespace libtm::persist
