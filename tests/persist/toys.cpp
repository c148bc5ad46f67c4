// SPDX-License-Identifier: MIT
#include "toys.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>

namespace libtm::test {
namespace {

void must(std::int64_t result, const char *what)
{
    if (result < 0) throw std::runtime_error(std::string(what) + " failed: " + std::to_string(-result));
}

bool is_there(tm_storage *s, const std::string &path)
{
    const int file = s->open(s, path.c_str(), TM_STORAGE_READ);
    if (file < 0) return false;
    s->close(s, file);
    return true;
}

/** Begins each record; a sector of its own. */
struct Header {
    std::uint64_t state;
    std::uint64_t pages;
    std::uint64_t checksum;
    std::byte rest[crash::sector_size - 24];
};

std::uint64_t checksum(const Header &header, const std::vector<std::byte> &body)
{
    std::uint64_t sum = 0xcbf29ce484222325;
    const auto add = [&](const std::byte *bytes, std::size_t size) {
        for (std::size_t i = 0; i < size; i += 8) {
            std::uint64_t word;
            std::memcpy(&word, bytes + i, 8);
            sum = (sum ^ word) * 0x100000001b3;
            sum ^= sum >> 29;
        }
    };
    add(reinterpret_cast<const std::byte *>(&header), 16);
    add(body.data(), body.size());
    return sum;
}

void create_empty(tm_storage *s, const std::string &path)
{
    const int file = open_file(s, path, TM_STORAGE_CREATE);
    sync_file(s, file);
    s->close(s, file);
}

} // namespace

int open_file(tm_storage *s, const std::string &path, int how)
{
    const int file = s->open(s, path.c_str(), how);
    must(file, "open");
    return file;
}

void write_file(tm_storage *s, int file, const void *bytes, std::size_t size, std::uint64_t offset)
{
    for (std::size_t done = 0; done < size;) {
        const iovec part{const_cast<char *>(static_cast<const char *>(bytes) + done), size - done};
        const ssize_t n = s->write(s, file, &part, 1, offset + done);
        if (n == -EINTR) continue;
        must(n, "write");
        done += static_cast<std::size_t>(n);
    }
}

void sync_file(tm_storage *s, int file)
{
    must(s->sync(s, file), "sync");
}

std::vector<std::byte> read_file(tm_storage *s, int file, std::size_t size, std::uint64_t offset)
{
    std::vector<std::byte> bytes(size);
    std::size_t done = 0;
    while (done < size) {
        const ssize_t n = s->read(s, file, bytes.data() + done, size - done, offset + done, 0);
        if (n == -EINTR) continue;
        must(n, "read");
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    bytes.resize(done);
    return bytes;
}

std::vector<std::byte> Toy::page_of(std::uint64_t n, unsigned p) const
{
    std::vector<std::byte> bytes(page);
    const std::uint64_t word = n << 8 | p;
    if (n)
        for (std::size_t i = 0; i < page; i += 8) std::memcpy(bytes.data() + i, &word, 8);
    return bytes;
}

void Toy::write_pages(tm_storage *s, int file, std::uint64_t n) const
{
    for (unsigned p = 0; p < pages; ++p) write_file(s, file, page_of(n, p).data(), page, p * page);
}

void Toy::create_with_pages(tm_storage *s, const std::string &path) const
{
    const int file = open_file(s, path, TM_STORAGE_CREATE);
    write_pages(s, file, 0);
    sync_file(s, file);
    s->close(s, file);
}

std::vector<std::byte> Toy::record_of(std::uint64_t n) const
{
    std::vector<std::byte> body(pages * page);
    for (unsigned p = 0; p < pages; ++p) std::memcpy(body.data() + p * page, page_of(n, p).data(), page);
    Header header{n, pages, 0, {}};
    header.checksum = checksum(header, bug == Bug::checksum_of_the_header_only ? std::vector<std::byte>{} : body);
    std::vector<std::byte> record(sizeof header + body.size());
    std::memcpy(record.data(), &header, sizeof header);
    std::memcpy(record.data() + sizeof header, body.data(), body.size());
    return record;
}

std::optional<std::uint64_t> Toy::read_record(tm_storage *s, int file, std::uint64_t offset, std::vector<std::byte> &body, bool *flag) const
{
    const std::vector<std::byte> bytes = read_file(s, file, sizeof(Header) + pages * page, offset);
    if (bytes.size() < sizeof(Header) + pages * page) return {};
    Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    body.assign(bytes.begin() + sizeof header, bytes.end());
    if (header.pages != pages) return {};
    const bool trusting = bug == Bug::no_checksum || bug == Bug::size_is_the_commit;
    if (!trusting && header.checksum != checksum(header, bug == Bug::checksum_of_the_header_only ? std::vector<std::byte>{} : body)) return {};
    if (flag) *flag = header.rest[0] != std::byte{};
    return header.state;
}

std::optional<std::uint64_t> Toy::state_of(const std::vector<std::byte> &bytes) const
{
    if (bytes.size() < pages * page) return {};
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    const std::uint64_t n = word >> 8;
    for (unsigned p = 0; p < pages; ++p)
        if (std::memcmp(bytes.data() + p * page, page_of(n, p).data(), page) != 0) return {};
    return n;
}

void Toy::run(tm_storage *s, crash::Marks &marks)
{
    create(s);
    marks("created");
    for (std::uint64_t n = 1; n <= commits; ++n) {
        marks("begins", n);
        commit(s, n);
        marks("returned", n);
    }
}

std::string Toy::check(tm_storage *s, const crash::Moment &moment)
{
    if (!moment.reached("created", 0)) return {};
    const std::optional<std::uint64_t> state = recover(s);
    if (!state) return "a mixed state";
    const std::uint64_t returned = moment.last("returned"), begun = moment.last("begins");
    if (*state < returned) return "commit " + std::to_string(returned) + " is lost: the state is " + std::to_string(*state);
    if (*state > begun) return "a phantom: the state is " + std::to_string(*state);
    return {};
}

crash::Report Toy::explore(const crash::Options &options)
{
    return crash::explore([&](tm_storage *s, crash::Marks &marks) { run(s, marks); },
                          [&](tm_storage *s, const crash::Moment &moment) { return check(s, moment); }, options);
}

crash::Recording Toy::record()
{
    crash::Disk disk;
    crash::Marks marks(disk);
    run(disk.storage(), marks);
    return disk.recording();
}

void Redo::create(tm_storage *s)
{
    create_with_pages(s, "data");
    create_empty(s, "journal");
    must(s->sync_directory(s, "data"), "sync_directory");
}

void Redo::commit(tm_storage *s, std::uint64_t n)
{
    const int data = open_file(s, "data", TM_STORAGE_WRITE);
    if (bug != Bug::in_place && bug != Bug::atomic_page) {
        const int journal = open_file(s, "journal", TM_STORAGE_WRITE);
        const std::vector<std::byte> record = record_of(n);
        write_file(s, journal, record.data(), record.size(), 0);
        if (bug == Bug::sync_again_after_failure) {
            if (s->sync(s, journal) != 0) sync_file(s, journal);
        } else if (bug != Bug::no_sync_before_apply) {
            sync_file(s, journal);
        }
        s->close(s, journal);
    }
    write_pages(s, data, n);
    if (bug != Bug::no_sync_after_apply) sync_file(s, data);
    s->close(s, data);
}

std::optional<std::uint64_t> Redo::recover(tm_storage *s)
{
    const int data = open_file(s, "data", TM_STORAGE_WRITE), journal = open_file(s, "journal", TM_STORAGE_WRITE);
    std::vector<std::byte> body;
    bool interrupted = false;
    if (const auto n = read_record(s, journal, 0, body, &interrupted); n && *n) {
        bool forget = bug == Bug::recovery_forgets_to_sync;
        if (bug == Bug::second_recovery_forgets_to_sync) { // only the one after an interrupted one
            forget = interrupted;
            const std::byte flag{1};
            write_file(s, journal, &flag, 1, offsetof(Header, rest));
            sync_file(s, journal);
        }
        write_file(s, data, body.data(), body.size(), 0);
        if (!forget) sync_file(s, data);
        const Header wiped{};
        write_file(s, journal, &wiped, sizeof wiped, 0);
        sync_file(s, journal);
    }
    const auto state = state_of(read_file(s, data, pages * page, 0));
    s->close(s, data);
    s->close(s, journal);
    return state;
}

void Undo::create(tm_storage *s)
{
    create_with_pages(s, "data");
    must(s->sync_directory(s, "data"), "sync_directory");
}

void Undo::commit(tm_storage *s, std::uint64_t n)
{
    const int journal = open_file(s, "journal", TM_STORAGE_CREATE);
    const std::vector<std::byte> record = record_of(n - 1);
    write_file(s, journal, record.data(), record.size(), 0);
    sync_file(s, journal);
    must(s->sync_directory(s, "journal"), "sync_directory");
    s->close(s, journal);
    const int data = open_file(s, "data", TM_STORAGE_WRITE);
    write_pages(s, data, n);
    sync_file(s, data);
    s->close(s, data);
    must(s->remove(s, "journal"), "remove");
    if (bug != Bug::remove_is_the_commit) must(s->sync_directory(s, "journal"), "sync_directory");
}

std::optional<std::uint64_t> Undo::recover(tm_storage *s)
{
    const int data = open_file(s, "data", TM_STORAGE_WRITE);
    if (is_there(s, "journal")) {
        const int journal = open_file(s, "journal", TM_STORAGE_READ);
        std::vector<std::byte> body;
        if (read_record(s, journal, 0, body)) {
            write_file(s, data, body.data(), body.size(), 0);
            sync_file(s, data);
        }
        s->close(s, journal);
        must(s->remove(s, "journal"), "remove");
        must(s->sync_directory(s, "journal"), "sync_directory");
    }
    const auto state = state_of(read_file(s, data, pages * page, 0));
    s->close(s, data);
    return state;
}

void Append::create(tm_storage *s)
{
    create_empty(s, "log");
    must(s->sync_directory(s, "log"), "sync_directory");
}

void Append::commit(tm_storage *s, std::uint64_t n)
{
    const int log = open_file(s, "log", TM_STORAGE_WRITE);
    const std::vector<std::byte> record = record_of(n);
    write_file(s, log, record.data(), record.size(), (n - 1) * record.size());
    sync_file(s, log);
    s->close(s, log);
}

std::optional<std::uint64_t> Append::recover(tm_storage *s)
{
    const int log = open_file(s, "log", TM_STORAGE_READ);
    std::uint64_t state = 0, offset = 0;
    std::vector<std::byte> body;
    while (const auto n = read_record(s, log, offset, body)) {
        if (state_of(body) != n) return {};
        state = *n;
        offset += sizeof(Header) + body.size();
    }
    s->close(s, log);
    return state;
}

void Versions::create(tm_storage *s)
{
    create_with_pages(s, "dir/0");
    must(s->sync_directory(s, "dir/0"), "sync_directory");
}

void Versions::commit(tm_storage *s, std::uint64_t n)
{
    const std::string old_name = "dir/" + std::to_string(n - 1), new_name = "dir/" + std::to_string(n);
    const int file = open_file(s, "dir/new", TM_STORAGE_CREATE);
    write_pages(s, file, n);
    if (bug != Bug::rename_before_sync) sync_file(s, file);
    must(s->rename(s, "dir/new", new_name.c_str()), "rename");
    if (bug == Bug::rename_before_sync) sync_file(s, file);
    s->close(s, file);
    if (bug != Bug::no_directory_sync) must(s->sync_directory(s, "dir/new"), "sync_directory");
    must(s->remove(s, old_name.c_str()), "remove");
}

std::optional<std::uint64_t> Versions::recover(tm_storage *s)
{
    for (std::uint64_t n = commits + 1; n-- > 0;) {
        const std::string name = "dir/" + std::to_string(n);
        if (!is_there(s, name)) continue;
        const int file = open_file(s, name, TM_STORAGE_READ);
        const auto state = state_of(read_file(s, file, pages * page, 0));
        s->close(s, file);
        return state == n ? state : std::nullopt;
    }
    return {};
}

} // namespace libtm::test
