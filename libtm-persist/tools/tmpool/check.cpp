// SPDX-License-Identifier: MIT
/**
 * @file check.cpp
 * check: proves what can be proved of a pool from its bytes, and writes nothing.
 *
 * A pool that somebody writes changes under the reader, so that what is wrong at one look may be two moments in one. There a fault counts
 * that is seen three times in a row, and a look without one is enough.
 */
#include "commands.hpp"
#include "copy.hpp"
#include "heap.hpp"
#include "pool.hpp"
#include "progress.hpp"
#include "survey.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <map>
#include <set>
#include <thread>

namespace libtm::tmpool {

namespace {

using persist::Directory;
using persist::image_offset;

/** One look at the pool. */
class Look {
public:
    Look(const std::string &path, Progress &progress);

    const std::vector<Failure> &faults() const { return faults_; }
    bool is_held() const { return survey_.holder().is_held; }
    Json document() const;

private:
    void headers();
    void twins();
    void journal();
    void image(Progress &progress);
    void roots();
    void heap();
    void fault(const char *field, std::uint64_t offset, const std::string &found, const std::string &expected, const char *remedy)
    {
        faults_.push_back({EBADMSG, survey_.data().path(), field, offset, found, expected, remedy});
    }
    void damage(const std::string &field, std::uint64_t offset, const std::string &found, const std::string &expected)
    {
        fault(field.c_str(), offset, found, expected, "Restore the pool from a backup");
    }

    Survey survey_;
    Directory directory_{}; ///< of the last committed state
    std::vector<std::array<std::uint64_t, persist::most_bits / 8>> bits_; ///< that the chunks of the heap begin with in it
    std::vector<persist::ChunkEntry> entries_;                            ///< of these chunks
    std::uint64_t heap_begin_ = 0, heap_blocks_ = 0, heap_used_ = 0; ///< in the image; allocated; their bytes
    int roots_ = 0;
    std::uint64_t frames_ = 0;
    std::vector<Failure> faults_;
    std::vector<std::string> notes_; ///< what is unusual and harmless
};

Look::Look(const std::string &path, Progress &progress) : survey_(path)
{
    headers();
    if (survey_.current() < 0) return;
    journal();
    image(progress);
}

/** What a crash may leave of a header that it meets while it is written: some of its sectors. All else is damage. */
bool may_be_torn(const HeaderCopy &copy)
{
    const Failure &fault = *copy.fault;
    static constexpr char nothing[sizeof copy.header.magic] = {};
    return fault.field.ends_with("checksum") || std::memcmp(copy.header.magic, nothing, sizeof nothing) == 0;
}

void Look::headers()
{
    for (int i = 0; i < 2; ++i) {
        const HeaderCopy &copy = survey_.copy(i);
        if (!copy.fault || (copy.is_blank && survey_.current() >= 0)) continue; // the second one is blank in a new pool
        if (survey_.current() >= 0 && may_be_torn(copy))
            notes_.push_back("header " + std::to_string(i) + " is not whole, as after a crash while it was written; header " + std::to_string(1 - i) + " counts");
        else
            faults_.push_back(*copy.fault);
    }
    if (!survey_.copy(0).fault && !survey_.copy(1).fault) twins();
    // Two copies that are no header say one thing.
    if (faults_.size() == 2 && faults_[0].code == EMEDIUMTYPE && faults_[1].code == EMEDIUMTYPE) faults_.pop_back();
}

/** Of two valid headers one was written right after the other. */
void Look::twins()
{
    const Header &now = survey_.header();
    const Header &before = survey_.copy(1 - survey_.current()).header;
    const std::uint64_t at = (1 - survey_.current()) * persist::block_size;
    const std::string name = "header " + std::to_string(1 - survey_.current()) + ": ";
    const auto demand = [&](bool holds, const char *field, std::size_t offset, const std::string &found, const std::string &expected) {
        if (!holds) damage(name + field, at + offset, found, expected);
    };
    demand(before.uuid == now.uuid, "uuid", offsetof(Header, uuid), persist::to_text(before.uuid), "as in the other header: " + persist::to_text(now.uuid));
    demand(before.base == now.base, "base", offsetof(Header, base), persist::to_hex(before.base), "as in the other header: " + persist::to_hex(now.base));
    demand(before.number + 1 == now.number, "number", offsetof(Header, number), std::to_string(before.number), "one less than in the other header: " + std::to_string(now.number - 1));
    demand(before.generation <= now.generation, "generation", offsetof(Header, generation), std::to_string(before.generation), "at most that of the other header: " + std::to_string(now.generation));
    demand(before.applied <= now.applied, "applied", offsetof(Header, applied), std::to_string(before.applied), "at most that of the other header: " + std::to_string(now.applied));
    demand(before.image_size <= now.image_size, "image size", offsetof(Header, image_size), std::to_string(before.image_size), "at most that of the other header: " + std::to_string(now.image_size));
}

void Look::journal()
{
    if (!survey_.journal() || survey_.needs_journal()) return; // image() demands the one that is needed
    if (survey_.owner() == persist::Owner::another)
        faults_.push_back({EEXIST, survey_.journal().path(), "uuid", 16, "another file, or the journal of another pool", "nothing, or the journal of " + persist::to_text(survey_.header().uuid),
                           "Move it to the pool that it belongs to, or remove it if that is gone: this one was closed and needs none"});
    else if (!survey_.holder().is_held)
        notes_.push_back("there is a journal, which this pool does not need: it was closed");
}

/** Every byte of the image, and every group and frame that belongs to it. */
void Look::image(Progress &progress)
{
    struct Target : persist::CopyTarget {
        Directory &directory;
        decltype(bits_) &bits;
        decltype(entries_) &entries;
        std::uint64_t &heap;
        Target(Directory &to, decltype(bits_) &all, decltype(entries_) &theirs, std::uint64_t &begin) : directory(to), bits(all), entries(theirs), heap(begin) {}
        void begin(const Header &header) override
        {
            heap = header.heap;
            bits.assign(header.heap_size() / persist::chunk_size, {});
            entries.assign(bits.size(), 0);
        }
        /** What there is of `offset` and the `size` bytes from there on in the `most` bytes from `begin` on. */
        static void take(void *to, std::uint64_t begin, std::uint64_t most, std::uint64_t offset, const char *bytes, std::size_t size)
        {
            const std::uint64_t from = std::max(begin, offset), end = std::min(begin + most, offset + size);
            if (from < end) std::memcpy(static_cast<char *>(to) + (from - begin), bytes + (from - offset), end - from);
        }
        void write(std::uint64_t offset, const char *bytes, std::size_t size) override
        {
            take(&directory, 0, sizeof directory, offset, bytes, size);
            if (heap == 0 || offset + size <= heap) return;
            for (std::uint64_t i = offset > heap ? (offset - heap) / persist::chunk_size : 0; i < bits.size() && heap + i * persist::chunk_size < offset + size; ++i) {
                const std::uint64_t begin = heap + i * persist::chunk_size;
                if (i % persist::mapped_chunks) take(bits[i].data(), begin, persist::most_bits, offset, bytes, size);
                else take(&entries[i], begin, std::min<std::uint64_t>(persist::mapped_chunks, entries.size() - i) * sizeof entries[i], offset, bytes, size);
            }
        }
    };
    Target target(directory_, bits_, entries_, heap_begin_);
    try {
        const auto show = [&](std::uint64_t done, std::uint64_t total) {
            progress.show(done, total);
            return true;
        };
        persist::copy_committed(*tm_storage_system(), survey_.data().path(), target, show);
    } catch (const Failure &failure) {
        faults_.push_back(failure);
        return;
    }
    for (const persist::GroupHeader &group : survey_.pending()) frames_ += group.frames;
    heap();
    roots();
}

/** Blocks lie where the format says, and what a root names in the heap is allocated. */
void Look::heap()
{
    if (entries_.empty()) return;
    std::map<std::uint64_t, std::string> lost; // roots that name nothing, by where they point to
    for (const Directory::Root &root : directory_.roots)
        if (root.offset >= heap_begin_) lost.emplace(root.offset, std::string(root.name, strnlen(root.name, sizeof root.name)));
    const std::string wrong = persist::each_block(
        [&](std::uint64_t i) { return entries_[i]; }, [&](std::uint64_t i) { return bits_[i].data(); }, heap_begin_, heap_begin_ + entries_.size() * persist::chunk_size, [&](const persist::Block &block) {
            ++heap_blocks_;
            heap_used_ += block.bytes;
            lost.erase(lost.lower_bound(block.offset), lost.lower_bound(block.offset + block.bytes));
        });
    if (!wrong.empty()) return damage("heap", image_offset + heap_begin_, wrong, "chunks as in doc/format.md");
    for (const auto &[offset, name] : lost) notes_.push_back("root " + name + " names no allocated block of the heap");
}

void Look::roots()
{
    const Header &header = survey_.header();
    for (std::size_t i = 0; i < std::size(directory_.reserved); ++i)
        if (directory_.reserved[i]) damage("directory: reserved", image_offset + 8 * i, persist::to_hex(directory_.reserved[i]), "0");
    std::set<std::string> names;
    for (std::size_t i = 0; i < std::size(directory_.roots); ++i) {
        const Directory::Root &root = directory_.roots[i];
        if (root.offset == 0) continue;
        ++roots_;
        const std::uint64_t at = image_offset + offsetof(Directory, roots) + i * sizeof root;
        const std::string field = "root " + std::to_string(i) + ": ";
        const std::string name(root.name, strnlen(root.name, sizeof root.name));
        if (name.size() == sizeof root.name) damage(field + "name", at, "no end", "a string of 1 to " + std::to_string(sizeof root.name - 1) + " bytes");
        else if (name.empty()) damage(field + "name", at, "an empty one", "a string of 1 to " + std::to_string(sizeof root.name - 1) + " bytes");
        else if (!names.insert(name).second) damage(field + "name", at, name + ", a second time", "each name once");
        if (root.offset < header.page_size || root.offset >= header.image_size)
            damage(field + "offset", at + offsetof(Directory::Root, offset), std::to_string(root.offset), std::to_string(header.page_size) + " to " + std::to_string(header.image_size - 1));
    }
}

Json Look::document() const
{
    Json document = {{"file", survey_.data().path()}, {"fine", faults_.empty()}, {"in_use", is_held()}};
    if (survey_.current() >= 0) {
        const Header &header = survey_.header();
        document.update({{"uuid", persist::to_text(header.uuid)},
                         {"state", state_name(header)},
                         {"generation", header.generation},
                         {"sequence", survey_.sequence()},
                         {"size", header.memory_size()},
                         {"pending_groups", survey_.pending().size()},
                         {"pending_frames", frames_},
                         {"roots", roots_},
                         {"heap_size", entries_.size() * persist::chunk_size},
                         {"heap_blocks", heap_blocks_},
                         {"heap_bytes", heap_used_}});
    }
    document["notes"] = notes_;
    document["faults"] = Json::array();
    for (const Failure &failure : faults_) document["faults"].push_back(to_json(failure));
    return document;
}

std::string words_of(const std::vector<Failure> &faults)
{
    std::string words;
    for (const Failure &failure : faults) words += failure.message() + "\n";
    return words;
}

} // namespace

Result check(const std::string &path)
{
    Progress progress("checking");
    std::string seen;
    for (int attempt = 1, same = 0;; ++attempt) {
        const Look look(path, progress);
        const std::string words = words_of(look.faults());
        same = words == seen ? same + 1 : 1;
        seen = words;
        // It may have been closed during the first look, but not during the second, too.
        if (words.empty() || same == 3 || attempt == 100 || (same == 2 && !look.is_held())) {
            Result result{look.document()};
            for (const Failure &failure : look.faults()) result.status = std::max(result.status, failure.code == EEXIST ? static_cast<int>(wrong) : status_of(failure.code));
            return result;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

} // namespace libtm::tmpool
