// SPDX-License-Identifier: MIT
/**
 * @file change.cpp
 * The commands that write: create, recover, backup, resize. They use pools as any program does.
 */
#include "commands.hpp"
#include "progress.hpp"
#include "survey.hpp"

#include <cerrno>
#include <charconv>
#include <memory>

namespace libtm::tmpool {

namespace {

/** As small a journal as there is: it must be written, and here nobody commits. */
constexpr std::uint64_t journal_bytes = 1;

struct Closer {
    void operator()(tm_pool *pool) const { tm_pool_close(pool); }
};
using Pool = std::unique_ptr<tm_pool, Closer>;

Pool opened(const std::string &path, std::uint64_t reserve = 0)
{
    tm_pool_attr attr{};
    attr.flags = TM_POOL_ANYWHERE | TM_POOL_NO_THREAD; // nothing here follows a pointer
    attr.journal = journal_bytes;
    attr.reserve = reserve;
    Pool pool(tm_pool_open(path.c_str(), &attr));
    if (!pool) throw_last();
    if (tm_pool_checkpoint(pool.get()) != 0) throw_last(); // on a medium that cannot be written it is open for reading only
    return pool;
}

void close(Pool pool)
{
    if (tm_pool_close(pool.release()) != 0) throw_last();
}

tm_pool_stats stats_of(const Pool &pool)
{
    tm_pool_stats stats{};
    if (tm_pool_stat(pool.get(), &stats) != 0) throw_last();
    return stats;
}

persist::Uuid uuid_of(const tm_pool_stats &stats)
{
    persist::Uuid uuid;
    std::copy(std::begin(stats.uuid), std::end(stats.uuid), uuid.begin());
    return uuid;
}

/** NAME[:VERSION]: a name may have colons, too. */
std::uint32_t split_version(std::string &layout)
{
    const std::size_t colon = layout.rfind(':');
    if (colon == std::string::npos) return 0;
    std::uint32_t version = 0;
    const char *const end = layout.data() + layout.size();
    const auto [rest, error] = std::from_chars(layout.data() + colon + 1, end, version);
    if (error != std::errc() || rest != end)
        throw Failure{EINVAL, {}, "--layout", 0, layout, "NAME or NAME:VERSION, where VERSION is a number below 2^32", {}};
    layout.resize(colon);
    return version;
}

} // namespace

Result create(const CreateOptions &options)
{
    std::string layout = options.layout;
    tm_pool_attr attr{};
    attr.flags = TM_POOL_NO_THREAD;
    attr.layout_version = split_version(layout);
    attr.layout = layout.c_str();
    attr.base = reinterpret_cast<void *>(options.base);
    attr.reserve = options.reserve;
    attr.journal = journal_bytes;
    const Progress progress("creating");
    Pool pool(tm_pool_create(options.path.c_str(), options.size, &attr));
    if (!pool) throw_last();
    const tm_pool_stats stats = stats_of(pool);
    close(std::move(pool));
    return {{{"file", options.path},
             {"uuid", persist::to_text(uuid_of(stats))},
             {"layout", stats.layout},
             {"layout_version", stats.layout_version},
             {"size", stats.size},
             {"base", persist::to_hex(stats.base)},
             {"reserve", stats.reserve}}};
}

Result recover(const std::string &path)
{
    const Progress progress("recovering");
    const bool was_closed = !Survey(path).needs_journal();
    Pool pool = opened(path);
    const tm_pool_stats stats = stats_of(pool);
    close(std::move(pool));
    return {{{"file", path}, {"was_closed", was_closed}, {"replayed_groups", stats.recovered}, {"written_bytes", stats.bytes_applied}, {"sequence", stats.sequence}}};
}

Result backup(const std::string &from, const std::string &to)
{
    Progress progress("copying");
    const auto show = [](void *data, std::uint64_t done, std::uint64_t total) {
        static_cast<Progress *>(data)->show(done, total);
        return 0;
    };
    if (tm_pool_backup(from.c_str(), to.c_str(), nullptr, show, &progress) != 0) throw_last();
    const Survey made(to);
    const Header &header = made.header();
    return {{{"from", from}, {"to", to}, {"uuid", persist::to_text(header.uuid)}, {"sequence", header.applied}, {"size", header.memory_size()}}};
}

Result resize(const std::string &path, std::uint64_t size)
{
    const Progress progress("resizing");
    Pool pool = opened(path, size + (1 << 20)); // for the page of the directory, and rounding
    const std::uint64_t before = tm_pool_size(pool.get());
    if (size < before) throw Failure{EINVAL, path, "size", 0, std::to_string(size) + " bytes", "at least " + std::to_string(before) + ": pools do not shrink", {}};
    if (tm_pool_grow(pool.get(), size) != 0) throw_last();
    const std::uint64_t after = tm_pool_size(pool.get());
    close(std::move(pool));
    return {{{"file", path}, {"size_before", before}, {"size", after}}};
}

} // namespace libtm::tmpool
