// SPDX-License-Identifier: MIT
#include "era.hpp"

#include "shelf.hpp"

#include <chrono>
#include <iterator>
#include <new>
#include <sys/mman.h>
#include <thread>

namespace libtm::testing {

Sums Era::sums;

Era::Era(const Setting &setting)
    : setting_(setting), content_(setting.seed),
      ledger_(new (::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Ledger)
{
}

Era::~Era() { ::munmap(ledger_, sizeof(Ledger)); }

void Era::begin(std::uint64_t seed)
{
    new (ledger_) Ledger;
    ledger_->begun = ledger_->acknowledged = content_.number();
    ledger_->shelf_begun = ledger_->shelf_acknowledged = shelf_;
    child_ = ::fork();
    if (child_ != 0) return;
    work(setting_, *ledger_, seed);
    ::_exit(97);
}

void Era::wait(Random &random) const
{
    using namespace std::chrono;
    // Many end early, when they have hardly opened the pool; or over something that is done rarely.
    static constexpr std::size_t longest[] = {500, 2000, 5000, 25000};
    static constexpr Activity rare[] = {creating, opening, growing, checkpointing, closing};
    const std::size_t how = random.below(6);
    if (how >= 4) {
        const std::atomic<int> &at = ledger_->at[rare[random.below(std::size(rare))]];
        for (const auto end = steady_clock::now() + milliseconds(25); at == 0 && steady_clock::now() < end;) std::this_thread::yield();
    }
    if (const std::size_t delay = random.below(how < 4 ? longest[how] : 200); delay > 20) std::this_thread::sleep_for(microseconds(delay));
}

int Era::end()
{
    ::kill(child_, SIGKILL);
    int status = 0;
    ::waitpid(child_, &status, 0);
    ++sums.ends;
    sums.commits += ledger_->commits;
    for (int i = 0; i < activities; ++i) sums.at[i] += ledger_->at[i] > 0;
    return status;
}

std::string Era::check(Random &random)
{
    const std::uint64_t before = content_.number(), shelf_before = shelf_;
    shelf_ = std::max<std::uint64_t>(shelf_, ledger_->shelf_acknowledged);
    content_.advance(ledger_->acknowledged);
    is_there_ |= ledger_->created != 0;
    const std::size_t how = random.below(4);
    try {
        if (how != 0) {
            const std::string fault = check_as(TM_POOL_READ_ONLY);
            if (!fault.empty()) return "read only: " + fault;
        }
        if (how < 2) {
            const std::string fault = check_as(0);
            if (!fault.empty()) return fault;
        }
    } catch (const pool_error &failure) {
        if (failure.code() != ENOENT || is_there_) return failure.what();
    }
    sums.steps += content_.number() - before;
    sums.shelves += shelf_ - shelf_before;
    return {};
}

std::string Era::check_as(unsigned flags)
{
    tm_pool_attr attr = setting_.attr();
    attr.flags = flags | TM_POOL_NO_THREAD;
    pool opened(setting_.path, attr);
    is_there_ = true;
    const tm_pool_stats stats = opened.stat();
    sums.recoveries += stats.recovered > 0;
    sums.groups += stats.recovered;
    std::string fault = content_.fault(opened.data(), opened.size(), ledger_->begun);
    if (fault.empty()) fault = heap_fault(opened);
    opened.close();
    return fault;
}

std::string Era::heap_fault(const pool &opened)
{
    const auto *const shelf = opened.root<Shelf>("shelf");
    if (!shelf) return shelf_ ? "lost: the shelf" : "";
    if (shelf->done < shelf_) return "lost: the shelf is of transaction " + std::to_string(shelf->done) + ", and " + std::to_string(shelf_) + " was acknowledged";
    if (shelf->done > ledger_->shelf_begun) return "phantom: the shelf is of transaction " + std::to_string(shelf->done);
    shelf_ = shelf->done;
    Blocks blocks;
    const auto add = [&](const void *block) { blocks[static_cast<std::uint64_t>(static_cast<const char *>(block) - opened.data())] = tm_pool_block_size(opened.handle(), block); };
    add(shelf);
    for (const Shelf::Slot &slot : shelf->slots)
        if (slot.offset) add(opened.data() + slot.offset);
    const std::uint64_t there = opened.stat().heap_blocks;
    if (there != blocks.size()) return "leak: " + std::to_string(there) + " blocks are allocated, not " + std::to_string(blocks.size());
    return wrong_with(opened.data(), *shelf, blocks);
}

Setting setting_of(unsigned number, const std::string &path)
{
    static constexpr std::uint64_t journals[] = {4 * 4096, 0, 16 * 4096, 100000};
    Setting setting;
    setting.path = path;
    setting.seed = number + 1;
    setting.journal = journals[number % 4];
    setting.keep = number % 3 == 2 ? 8 * Content::page : 0;
    setting.flags = number % 5 == 4 ? TM_POOL_NO_THREAD : 0;
    setting.threads = 1 + number % 3;
    setting.has_heap = number % 4 == 1 || number % 4 == 2;
    setting.mode = number / 2 % 2 ? "write-through" : "write-back";
    return setting;
}

} // namespace libtm::testing
