// SPDX-License-Identifier: MIT
#include "checked.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::oom {

void Checked::check_error(const char *what, tm_error_kind kind, int code)
{
    if (kind != TM_ERROR_MEMORY || code != ENOMEM) violation("%s: ended with error %d, code %d", what, kind, code);
}

void Checked::check_step(const char *what, bool committed, std::uint64_t refused_before) const
{
    ++shared->steps;
    if (!committed) ++shared->errors;
    if (!committed && refused() == refused_before) violation("%s: ended out of memory though nothing was refused", what);
    if (tm_in_transaction()) violation("%s: the transaction has not ended", what);
}

void Checked::check(const char *what) const
{
    for (std::size_t i = 0; i < Memory::cells_size; ++i)
        if (memory.cells[i] != model.cells[i]) return violation("%s: cell %zu holds %ld, not %ld", what, i, memory.cells[i], model.cells[i]);
    for (std::size_t i = 0; i < Memory::bytes_size; ++i)
        if (memory.bytes[i] != model.bytes[i]) return violation("%s: byte %zu holds %d, not %d", what, i, memory.bytes[i], model.bytes[i]);
    for (std::size_t i = 0; i < Memory::blocks_size; ++i) {
        const auto &expected = model.blocks[i];
        if (!memory.blocks[i] != !expected) return violation("%s: block %zu is %s", what, i, expected ? "missing" : "there");
        if (expected && std::memcmp(memory.blocks[i], expected->data(), expected->size()) != 0) return violation("%s: block %zu has another content", what, i);
    }
    const auto there = static_cast<std::size_t>(std::count_if(model.blocks.begin(), model.blocks.end(), [](const auto &block) { return block.has_value(); }));
    if (knows_all_blocks && odd_blocks() != there) violation("%s: %zu blocks are allocated, not %zu", what, odd_blocks(), there);
    if (memory.entries != model.entries) violation("%s: %ld entries are done, not %ld", what, memory.entries, model.entries);
}

void Checked::clean_up()
{
    step(
        "cleaning up", 0,
        [&] {
            for (char *&block : memory.blocks) {
                tm_free(tm_load_ptr(&block));
                tm_store_ptr(&block, nullptr);
            }
        },
        [&] { model.blocks = {}; });
    if (std::any_of(memory.blocks.begin(), memory.blocks.end(), [](const char *block) { return block != nullptr; })) violation("blocks are left");
}

const std::vector<Workload> &workloads()
{
    static const std::vector<Workload> all = [] {
        std::vector<Workload> result;
        for (const auto &part : {memory_workloads(), control_workloads(), thread_workloads()}) result.insert(result.end(), part.begin(), part.end());
        return result;
    }();
    return all;
}

} // namespace libtm::oom
