// SPDX-License-Identifier: MIT
#include "orec.hpp"

#include <sys/mman.h>

namespace libtm::engine {

constinit OrecTable orec_table;
constinit Clock clock;

bool OrecTable::create(unsigned log2_size)
{
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    const std::size_t bytes = sizeof(Orec) << log2_size;
    void *const area = mmap(nullptr, bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) return false;
    const auto start = (reinterpret_cast<std::uintptr_t>(area) + huge_page - 1) & ~(huge_page - 1);
    madvise(reinterpret_cast<void *>(start), bytes, MADV_HUGEPAGE); // a hint: fewer TLB misses
    base = reinterpret_cast<char *>(start);
    mask = bytes - sizeof(Orec);
    return true;
}

void OrecTable::reset()
{
    for (std::uint64_t at = 0; at <= mask; at += sizeof(Orec))
        reinterpret_cast<Orec *>(base + at)->store(0, std::memory_order_relaxed); // ordered by the clock's store
}

bool Clock::advance(Word version, bool may_overflow)
{
    if (version > last && !may_overflow) return false;
    Word seen = now.load(std::memory_order_seq_cst);
    while (!(seen & stop) && (seen & ~flags) < version)
        if (now.compare_exchange_weak(seen, version | (seen & flags), std::memory_order_seq_cst)) return true;
    return (seen & stop) == 0;
}

} // namespace libtm::engine
