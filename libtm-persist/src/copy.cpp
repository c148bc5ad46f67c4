// SPDX-License-Identifier: MIT
#include "copy.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

namespace libtm::persist {

namespace {

constexpr std::size_t part_size = 1 << 20; ///< that is read at once
constexpr int most_attempts = 100;

/** One attempt. */
class Copy {
public:
    Copy(const File &data, CopyTarget &target, const Progress &progress, Part part) : data_(data), target_(target), progress_(progress), part_(part) {}

    /** Nothing if the writer was faster. */
    std::optional<Header> run(tm_storage &storage, const std::string &journal_path);

private:
    bool is_complete(GroupReader &reader, Chain &chain);
    void take(GroupReader &reader, const Span &span);
    void take_early(std::uint64_t number);

    const File &data_;
    CopyTarget &target_;
    const Progress &progress_;
    Part part_;
    Header header_{};
    std::uint64_t done_ = 0; ///< up to where the image was read

    /**
     * Frames of what was not read yet, by the part that they lie in: for each a place there and a length, then its bytes. Close together, since a journal
     * may consist of frames of one byte.
     */
    std::map<std::uint64_t, std::vector<char>> early_;
    struct Early {
        std::uint32_t place, bytes;
    };
};

[[noreturn]] void begin_again() { throw Failure{EAGAIN, {}, {}, 0, {}, {}, {}}; }

void Copy::take(GroupReader &reader, const Span &span)
{
    const bool is_held = reader.holds(span); // then what is taken is what was found to be valid
    const std::optional<GroupHeader> group = reader.header_at(span.offset, span.sequence);
    if (!group) begin_again();
    const auto use = [&](const Frame &frame, const char *bytes) {
        const std::uint64_t begin = std::max(frame.offset, part_.offset), end = std::min(frame.offset + frame.bytes, part_.offset + part_.size);
        if (begin >= end) return;
        const char *const from = bytes + (begin - frame.offset);
        if (begin < done_) return target_.write(begin, from, end - begin);
        const Early early{static_cast<std::uint32_t>(begin % part_size), static_cast<std::uint32_t>(end - begin)};
        const char *const head = reinterpret_cast<const char *>(&early);
        std::vector<char> &all = early_[begin / part_size];
        all.insert(all.end(), head, head + sizeof early);
        all.insert(all.end(), from, from + early.bytes);
    };
    if (is_held) return reader.each_frame(*group, use);
    // It was read anew, and the writer may have used its place meanwhile. If not, it is valid still.
    try {
        reader.each_frame(*group, use);
    } catch (const Failure &failure) {
        if (failure.code != EBADMSG) throw;
        begin_again();
    }
    reader.forget();
    const std::optional<GroupHeader> again = reader.header_at(span.offset, span.sequence);
    if (!again || !reader.body_is_valid(*again)) begin_again();
}

/** The part was read: what has come for it before belongs on top. In its order, and before what is journaled later. */
void Copy::take_early(std::uint64_t number)
{
    const auto all = early_.extract(number);
    if (!all) return;
    for (const char *at = all.mapped().data(), *const end = at + all.mapped().size(); at < end;) {
        Early early;
        std::memcpy(&early, at, sizeof early);
        target_.write(number * part_size + early.place, at + sizeof early, early.bytes);
        at += sizeof early + early.bytes;
    }
}

/** Whether nothing is missing behind the end of the chain. False: the writer was faster, so that it cannot be told. */
bool Copy::is_complete(GroupReader &reader, Chain &chain)
{
    const std::uint64_t number = read_header(data_).header.number;
    try {
        chain.demand_complete();
        return true;
    } catch (const Failure &failure) {
        if (failure.code != EBADMSG) throw;
        // What says that there is more may have come since the end was met: then the next group is there.
        reader.forget();
        if (header_.state == Header::open && Chain(chain).next()) return true;
        if (read_header(data_).header.number != number) return false;
        throw;
    }
}

std::optional<Header> Copy::run(tm_storage &storage, const std::string &journal_path)
{
    const ReadHeader read = read_header(data_);
    header_ = read.header;
    File journal;
    if (header_.state == Header::open || read.is_alone) {
        journal = File::open_if_there(storage, journal_path, TM_STORAGE_READ);
        if (journal) demand_plain(journal);
        const bool is_ours = journal && owner_of(journal, header_.uuid) == Owner::ours;
        if (!is_ours && header_.state == Header::closed) journal.close();
        else if (!is_ours) {
            if (read_header(data_).header.number != header_.number) return std::nullopt; // it was closed just now
            throw Failure{EBADMSG, journal_path, "journal", 0, journal ? "another file" : "none", "the journal of " + to_text(header_.uuid),
                          "The pool was not closed, so it needs its journal: put it beside the pool"};
        }
    }
    const std::uint64_t there = data_.size();
    if (there < image_offset + header_.image_size)
        throw Failure{EBADMSG, data_.path(), "size", 0, std::to_string(there) + " bytes", std::to_string(image_offset + header_.image_size), "The file has been cut off: restore it from a backup"};
    target_.begin(header_);
    part_.offset = std::min(part_.offset, header_.image_size);
    part_.size = std::min(part_.size, header_.image_size - part_.offset);
    const std::uint64_t part_end = part_.offset + part_.size;
    GroupReader reader(journal, header_);
    Chain chain(reader, header_.applied, header_.tail);
    const auto follow = [&] {
        reader.forget();
        if (header_.state == Header::closed) return; // the data file is all
        while (const std::optional<Span> span = chain.next()) take(reader, *span);
    };
    std::vector<char> bytes(part_size);
    for (done_ = part_.offset; done_ < part_end;) {
        // No part ends within a page, so that no frame lies in two.
        const std::size_t count = std::min(bytes.size() - done_ % bytes.size(), part_end - done_);
        data_.read(bytes.data(), count, image_offset + done_);
        target_.write(done_, bytes.data(), count);
        done_ += count;
        take_early((done_ - 1) / part_size);
        follow();
        if (progress_ && !progress_(done_ - part_.offset, part_.size)) throw Failure{ECANCELED, data_.path(), "copy", 0, {}, {}, {}};
    }
    follow();
    const Header now = read_header(data_).header;
    if (now.generation != header_.generation || now.image_size != header_.image_size || now.applied > chain.last()) return std::nullopt;
    if (journal && !is_complete(reader, chain)) return std::nullopt;
    header_.applied = chain.last();
    return header_;
}

} // namespace

Header copy_committed(tm_storage &storage, const std::string &path, CopyTarget &target, const Progress &progress, Part part)
{
    const File data = File::open(storage, path, TM_STORAGE_READ);
    demand_plain(data);
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        try {
            if (const std::optional<Header> copied = Copy(data, target, progress, part).run(storage, journal_path(path))) return *copied;
        } catch (const Failure &failure) {
            // While somebody writes, what looks damaged may have been changed under the reader; then it looks different soon.
            if (failure.code != EAGAIN && (failure.code != EBADMSG || attempt + 1 >= 5)) throw;
        }
    }
    throw Failure{EBUSY, path, "copy", 0, "a writer that is faster than the copy", {}, "Try again when less is committed, or with a longer journal (tm_pool_attr)"};
}

} // namespace libtm::persist
