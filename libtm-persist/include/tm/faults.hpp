// SPDX-License-Identifier: MIT
/**
 * @file faults.hpp
 * Faults in the file calls of a program: a tm_storage around another one which counts the calls and makes the k-th of them fail, be short, or kill the process.
 *
 *     libtm::crash::Faults faults(tm_storage_system());
 *     run(faults.storage());                                     // counts
 *     for (std::uint64_t k = 0, n = faults.calls(); k < n; ++k)
 *         for (const libtm::crash::Fault &fault : libtm::crash::usual_faults()) {
 *             libtm::crash::Faults once(tm_storage_system(), k, fault);
 *             run(once.storage());                               // says an error, or nothing of it
 *         }
 */
#ifndef TM_FAULTS_HPP
#define TM_FAULTS_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <tm/storage.h>
#include <vector>

namespace libtm::crash {

struct Fault {
    enum Kind {
        error,            ///< return -code; nothing is done
        done_then_error,  ///< do it, then return -code
        shorter,          ///< read, write: transfer a part, at least 1 byte. Does not apply to other calls, and not to 1 byte
        kill,             ///< kill the process with SIGKILL; nothing is done
        done_then_kill    ///< do it, then kill
    };
    Kind kind = error;
    int code = 0;          ///< an errno value
    bool for_ever = false; ///< also for all later calls of the same function
    /** "EIO", "short", "kill", ... */
    std::string text() const;
};

/** EIO, EIO of a call that was carried out, ENOSPC, EINTR and short. */
std::vector<Fault> usual_faults();

/**
 * The wrapper. Thread-safe. EINTR is for calls that wait (open, read, write, reserve, truncate, sync); it applies to no other. A sync that fails for another reason makes the pending
 * writes of a Disk unknown for ever; a real file's stay in the cache.
 */
class Faults {
public:
    /** Only counts. */
    explicit Faults(tm_storage *inner);
    /** The call with the number `at`, from 0, gets the fault. */
    Faults(tm_storage *inner, std::uint64_t at, const Fault &fault);
    ~Faults();
    Faults(const Faults &) = delete;
    Faults &operator=(const Faults &) = delete;

    tm_storage *storage();
    /** Calls so far. */
    std::uint64_t calls() const;
    /** Which they were: "write pool-journal". */
    std::vector<std::string> names() const;
    /** Whether the fault has come about: its call was reached and it applies to it. */
    bool applied() const;

private:
    struct Data;
    std::unique_ptr<Data> data_;
};

} // namespace libtm::crash

#endif
