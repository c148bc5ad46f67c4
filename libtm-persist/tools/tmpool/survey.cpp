// SPDX-License-Identifier: MIT
#include "survey.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>

namespace libtm::tmpool {

namespace {

/** The locks of storage_system.cpp, asked for and not taken: a writer that comes at this moment must not be refused for us. */
Holder holder_of(const File &data)
{
    Holder holder;
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    if (::fcntl(data.handle(), F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return holder;
    holder.is_held = true;
    lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 1;
    lock.l_len = 1;
    if (::fcntl(data.handle(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0) holder.process = lock.l_pid;
    return holder;
}

} // namespace

Survey::Survey(const std::string &path)
{
    tm_storage &storage = *tm_storage_system();
    data_ = File::open(storage, path, TM_STORAGE_READ);
    persist::demand_plain(data_);
    holder_ = holder_of(data_);
    read_headers();
    journal_ = File::open_if_there(storage, persist::journal_path(path), TM_STORAGE_READ);
    if (journal_ && current_ >= 0) read_journal();
}

void Survey::read_headers()
{
    for (int i = 0; i < 2; ++i) {
        std::array<char, persist::block_size> block{};
        data_.read_some(block.data(), block.size(), i * persist::block_size);
        HeaderCopy &copy = copies_[i];
        std::memcpy(&copy.header, block.data(), sizeof copy.header);
        copy.fault = persist::header_fault(block, data_.path(), i);
        copy.is_blank = std::all_of(block.begin(), block.end(), [](char byte) { return byte == 0; });
        if (!copy.fault && (current_ < 0 || copy.header.number > copies_[current_].header.number)) current_ = i;
    }
}

const Header &Survey::header() const
{
    if (current_ >= 0) return copies_[current_].header;
    persist::read_header(data_); // says what is wrong
    throw Failure{EBUSY, data_.path(), "header", 0, "one that has changed just now", {}, "Try again"};
}

void Survey::read_journal()
{
    owner_ = persist::owner_of(journal_, header().uuid);
    if (owner_ != persist::Owner::ours || !needs_journal()) return;
    persist::GroupReader reader(journal_, header());
    persist::Chain chain(reader, header().applied, header().tail);
    try {
        while (const std::optional<persist::Span> span = chain.next())
            if (const auto group = reader.header_at(span->offset, span->sequence)) pending_.push_back(*group);
    } catch (const Failure &failure) {
        if (failure.code != EBADMSG) throw; // check tells; what is before it is there
    }
}

std::uint64_t Survey::pending_bytes() const
{
    std::uint64_t sum = 0;
    for (const persist::GroupHeader &group : pending_) sum += group.bytes;
    return sum;
}

Survey steady_survey(const std::string &path)
{
    for (int attempt = 1;; ++attempt) {
        Survey survey(path);
        if (survey.current() < 0 || !survey.holder().is_held || attempt == 20) return survey;
        if (persist::read_header(survey.data()).header.number == survey.header().number) return survey;
    }
}

std::uint64_t allocated(const File &file)
{
    struct stat status{};
    if (::fstat(file.handle(), &status) != 0) throw persist::call_failed(errno, file.path(), "stat");
    return static_cast<std::uint64_t>(status.st_blocks) * 512; // whatever the block size of the file system is
}

Json to_json(const Holder &holder)
{
    if (!holder.is_held) return nullptr;
    Json json = {{"process", holder.process ? Json(holder.process) : Json()}, {"command", nullptr}};
    std::string command;
    if (std::getline(std::ifstream("/proc/" + std::to_string(holder.process) + "/comm"), command)) json["command"] = command;
    return json;
}

const char *state_name(const Header &header) { return header.state == Header::open ? "open" : "closed"; }

const char *owner_name(persist::Owner owner)
{
    switch (owner) {
    case persist::Owner::ours: return "this pool";
    case persist::Owner::unfinished: return "nobody: it was not finished";
    default: return "another pool, or no journal";
    }
}

} // namespace libtm::tmpool
