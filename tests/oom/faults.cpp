// SPDX-License-Identifier: MIT
#include "faults.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <link.h>
#include <mutex>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unordered_map>

extern "C" int __cxa_atexit(void (*)(void *), void *, void *);

namespace libtm::oom {

Shared *shared = nullptr;

namespace {

constexpr std::uint64_t patience = 200; // refusals before memory comes back

Plan plan;
std::atomic<bool> armed{false};
std::atomic<int> patient{0};
std::atomic<std::uint64_t> refused_patiently{0};

std::string path;
std::uintptr_t library_base = 0;

std::mutex blocks_mutex;
std::unordered_map<void *, std::size_t> *blocks = nullptr;

Site *site_of(std::uintptr_t offset, Call call)
{
    for (Site &site : shared->sites) {
        std::uintptr_t found = site.offset.load();
        if (!found && site.offset.compare_exchange_strong(found, offset)) {
            site.call = call;
            return &site;
        }
        if (found == offset) return &site;
    }
    violation("more call sites than the table holds");
    std::abort();
}

bool is_planned(std::uint64_t nth)
{
    switch (plan.when) {
    case Plan::When::once: return nth == plan.n;
    case Plan::When::for_ever: return nth >= plan.n;
    case Plan::When::every: return nth % plan.n == 0;
    default: return false;
    }
}

/** Whether this call is to fail. */
bool refuse(Call call, void *return_address)
{
    if (!armed.load()) return false;
    Site &site = *site_of(reinterpret_cast<std::uintptr_t>(return_address) - library_base, call);
    ++site.all_seen;
    const std::uint64_t nth_of_site = ++site.seen, nth = ++shared->seen;
    if (plan.site != Plan::any && plan.site != site.offset) return false;
    if (!is_planned(plan.site == Plan::any ? nth : nth_of_site)) return false;
    if (patient.load() && ++refused_patiently > patience) {
        armed = false;
        return false;
    }
    ++site.failed;
    ++shared->refused;
    ++shared->all_refused;
    errno = ENOMEM;
    return true;
}

void *remember(void *block, std::size_t size)
{
    if (!blocks || !block) return block;
    const std::lock_guard lock(blocks_mutex);
    (*blocks)[block] = size;
    return block;
}

void forget(void *block)
{
    if (!blocks || !block) return;
    const std::lock_guard lock(blocks_mutex);
    if (!blocks->erase(block)) violation("libtm frees %p, which is not a block of its own (any more)", block);
}

#define LIBTM_REFUSE(call) refuse(Call::call, __builtin_return_address(0))

void *failing_malloc(std::size_t size) { return LIBTM_REFUSE(malloc) ? nullptr : remember(std::malloc(size), size); }
void *failing_calloc(std::size_t count, std::size_t size)
{
    return LIBTM_REFUSE(calloc) ? nullptr : remember(std::calloc(count, size), count * size);
}
void *failing_realloc(void *old, std::size_t size)
{
    if (LIBTM_REFUSE(realloc)) return nullptr;
    forget(old);
    return remember(std::realloc(old, size), size);
}
void *failing_aligned_alloc(std::size_t alignment, std::size_t size)
{
    return LIBTM_REFUSE(aligned_alloc) ? nullptr : remember(std::aligned_alloc(alignment, size), size);
}
int failing_posix_memalign(void **block, std::size_t alignment, std::size_t size)
{
    if (LIBTM_REFUSE(posix_memalign)) return ENOMEM;
    const int fault = posix_memalign(block, alignment, size);
    if (!fault) remember(*block, size);
    return fault;
}
void *failing_new(std::size_t size, std::align_val_t alignment, const std::nothrow_t &nothrow) noexcept
{
    return LIBTM_REFUSE(operator_new) ? nullptr : remember(operator new(size, alignment, nothrow), size);
}
void *failing_mmap(void *address, std::size_t size, int protection, int flags, int file, off_t offset)
{
    return LIBTM_REFUSE(mmap) ? MAP_FAILED : mmap(address, size, protection, flags, file, offset);
}
int failing_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    return LIBTM_REFUSE(key_create) ? EAGAIN : pthread_key_create(key, destructor);
}
int failing_setspecific(pthread_key_t key, const void *value)
{
    return LIBTM_REFUSE(set_specific) ? ENOMEM : pthread_setspecific(key, value);
}
int failing_atexit(void (*function)(void *), void *argument, void *object)
{
    return LIBTM_REFUSE(at_exit) ? -1 : __cxa_atexit(function, argument, object);
}
void watched_free(void *block)
{
    forget(block);
    std::free(block);
}
void watched_delete(void *block, std::align_val_t alignment)
{
    forget(block);
    operator delete(block, alignment);
}

struct Replacement {
    const char *name;
    void *function;
};
template <class Function> void *pointer(Function *function) { return reinterpret_cast<void *>(function); }
const Replacement replacements[] = {
    {"malloc", pointer(failing_malloc)},
    {"calloc", pointer(failing_calloc)},
    {"realloc", pointer(failing_realloc)},
    {"aligned_alloc", pointer(failing_aligned_alloc)},
    {"posix_memalign", pointer(failing_posix_memalign)},
    {"_ZnwmSt11align_val_tRKSt9nothrow_t", pointer(failing_new)},
    {"mmap", pointer(failing_mmap)},
    {"mmap64", pointer(failing_mmap)},
    {"pthread_key_create", pointer(failing_key_create)},
    {"pthread_setspecific", pointer(failing_setspecific)},
    {"__cxa_atexit", pointer(failing_atexit)},
    {"free", pointer(watched_free)},
    {"_ZdlPvSt11align_val_t", pointer(watched_delete)},
};

/** Replace one word of the table, which the loader may have made read-only. */
void replace(std::uintptr_t slot, void *function)
{
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    mprotect(reinterpret_cast<void *>(slot & ~(page - 1)), page, PROT_READ | PROT_WRITE);
    *reinterpret_cast<void **>(slot) = function;
}

/** What the dynamic section says of an object: its symbols and its relocations. */
struct Dynamic {
    const ElfW(Sym) *symbols = nullptr;
    const char *strings = nullptr;
    struct Table {
        const ElfW(Rela) *begin = nullptr;
        std::size_t size = 0;
    } all, calls;

    explicit Dynamic(const ElfW(Dyn) *entry)
    {
        for (; entry->d_tag != DT_NULL; ++entry) switch (entry->d_tag) {
            case DT_SYMTAB: symbols = reinterpret_cast<const ElfW(Sym) *>(entry->d_un.d_ptr); break;
            case DT_STRTAB: strings = reinterpret_cast<const char *>(entry->d_un.d_ptr); break;
            case DT_RELA: all.begin = reinterpret_cast<const ElfW(Rela) *>(entry->d_un.d_ptr); break;
            case DT_RELASZ: all.size = entry->d_un.d_val; break;
            case DT_JMPREL: calls.begin = reinterpret_cast<const ElfW(Rela) *>(entry->d_un.d_ptr); break;
            case DT_PLTRELSZ: calls.size = entry->d_un.d_val; break;
            default: break;
            }
    }
};

void replace_all(const Dynamic &dynamic, const Dynamic::Table &table)
{
    for (std::size_t i = 0; i < table.size / sizeof *table.begin; ++i) {
        const ElfW(Rela) &relocation = table.begin[i];
        const char *const name = dynamic.strings + dynamic.symbols[ELF64_R_SYM(relocation.r_info)].st_name;
        for (const Replacement &replacement : replacements)
            if (!std::strcmp(name, replacement.name)) replace(library_base + relocation.r_offset, replacement.function);
    }
}

int find_library(dl_phdr_info *info, std::size_t, void *)
{
    const char *const slash = std::strrchr(info->dlpi_name, '/');
    if (std::strncmp(slash ? slash + 1 : info->dlpi_name, "libtm.so", 8) != 0) return 0;
    path = info->dlpi_name;
    library_base = info->dlpi_addr;
    for (unsigned i = 0; i < info->dlpi_phnum; ++i)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC) {
            const Dynamic dynamic(reinterpret_cast<const ElfW(Dyn) *>(library_base + info->dlpi_phdr[i].p_vaddr));
            replace_all(dynamic, dynamic.all);
            replace_all(dynamic, dynamic.calls);
        }
    return 1;
}

} // namespace

const char *name_of(Call call)
{
    static constexpr const char *names[] = {"malloc",       "calloc", "realloc",            "aligned_alloc",       "posix_memalign",
                                            "operator new", "mmap",   "pthread_key_create", "pthread_setspecific", "atexit"};
    return names[static_cast<std::uint32_t>(call)];
}

bool install()
{
    void *const area = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) return false;
    shared = new (area) Shared;
    return dl_iterate_phdr(find_library, nullptr) == 1;
}

const char *library_path() { return path.c_str(); }

void arm(const Plan &wanted)
{
    plan = wanted;
    for (Site &site : shared->sites) site.seen = 0;
    shared->seen = shared->refused = shared->violations = 0;
    armed = true;
}

void disarm() { armed = false; }

Patience::Patience() { ++patient; }
Patience::~Patience()
{
    if (--patient == 0 && refused_patiently.exchange(0) > patience) ++shared->waits;
}

void track() { blocks = new std::unordered_map<void *, std::size_t>; }

std::size_t odd_blocks()
{
    const std::lock_guard lock(blocks_mutex);
    std::size_t count = 0;
    for (const auto &[block, size] : *blocks) count += size % 2;
    return count;
}

void violation(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    std::fprintf(stderr, "  violation: %s\n", text);
    ++shared->violations;
}

namespace {
constexpr const char *when_names[] = {"never", "once", "for_ever", "every"};
}

std::string Plan::text() const
{
    char text[64];
    std::snprintf(text, sizeof text, "%s:%lu:%lx", when_names[static_cast<int>(when)], static_cast<unsigned long>(n), static_cast<unsigned long>(site));
    return text;
}

bool Plan::parse(const std::string &text, Plan &result)
{
    char name[16];
    unsigned long number = 0, offset = any;
    if (std::sscanf(text.c_str(), "%15[a-z_]:%lu:%lx", name, &number, &offset) < 2 || number == 0) return false;
    for (int i = 0; i < 4; ++i)
        if (!std::strcmp(name, when_names[i])) {
            result = {static_cast<When>(i), number, offset};
            return true;
        }
    return false;
}

} // namespace libtm::oom
