// SPDX-License-Identifier: MIT
/**
 * @file wordindex.cpp
 * Threads read the files of a directory and share one index of all words: under a mutex, or by transactions.
 *
 * Each thread takes the next file, counts its words privately, and then merges the counts into the shared index, a few words
 * at a time. That merge is the critical section, and the only place where the modes differ: see `by_lock` and
 * `by_transactions`. With --pool the index is in a file (stored.hpp), and a file's words are one transaction.
 */
#include "files.hpp"
#include "index.hpp"
#include "options.hpp"
#include "stored.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <mutex>
#include <sys/stat.h>
#include <system_error>
#include <thread>

namespace wordindex {

namespace {

using clock = std::chrono::steady_clock;

/** A critical section under a mutex. */
class by_lock {
public:
    using access = structures::plain;
    template <class Section> void operator()(Section &&section)
    {
        const std::lock_guard guard(mutex_);
        section();
        ++entered_;
    }
    void print_counts() const { std::printf(" commits=%" PRIu64 " aborts=0", entered_); }

private:
    std::mutex mutex_;
    std::uint64_t entered_ = 0;
};

void print_counts_of_transactions()
{
    tm_stats stats;
    tm_stats_get(&stats);
    std::uint64_t aborts = 0;
    for (const std::uint64_t n : stats.aborts) aborts += n;
    std::printf(" commits=%" PRIu64 " serial=%" PRIu64 " max_attempts=%" PRIu64 " aborts=%" PRIu64, stats.commits, stats.serial,
                stats.max_attempts, aborts);
    for (int reason = 1; reason < TM_ABORT_REASONS; ++reason)
        if (stats.aborts[reason])
            std::printf(" aborts_%s=%" PRIu64, tm_abort_reason_name(static_cast<tm_abort_reason>(reason)), stats.aborts[reason]);
}

/** A critical section as a transaction. It may run several times, so it must change nothing but the index. */
class by_transactions {
public:
    using access = structures::transactional;
    explicit by_transactions(tm_mode mode) { how_.mode = mode; }
    template <class Section> void operator()(Section &&section) { libtm::atomically(how_, section); }
    void print_counts() const { print_counts_of_transactions(); }

private:
    libtm::attr how_{};
};

constexpr char clear_line[] = "\r\033[K";

/** Prints what cannot be read, and counts it. */
class complaints {
public:
    explicit complaints(const options &options) : options_(options) {}
    void operator()(const char *path, int error)
    {
        ++count_;
        if (options_.messages)
            std::fprintf(stderr, "%swordindex: %s: %s\n", options_.progress ? clear_line : "", path,
                         std::generic_category().message(error).c_str());
    }
    std::uint64_t count() const { return count_; }

private:
    const options &options_;
    std::atomic<std::uint64_t> count_{0};
};

/** The index in memory: a file's words are merged into it a few at a time. */
template <class Exclusive> class in_memory {
public:
    template <class... Args> explicit in_memory(const options &options, Args... how) : options_(options), exclusive_(how...) {}

    bool has(const file &) const { return false; }
    /** `is_complete`: not only what could be read of it. */
    void add(const file &, std::size_t number, const tally &words, bool)
    {
        for (auto from = words.begin(); from != words.end();) {
            auto to = from;
            for (unsigned i = 0; i < options_.batch && to != words.end(); ++i) ++to;
            exclusive_([&] {
                for (auto at = from; at != to; ++at) index_.add(at->first, at->second, number);
            });
            from = to;
        }
    }
    void finish() {}
    template <class Visit> void for_each(Visit &&visit) { index_.for_each(visit); }
    bool check() { return index_.check(); }
    void print_counts() const { exclusive_.print_counts(); }

private:
    const options &options_;
    Exclusive exclusive_;
    index<typename Exclusive::access> index_;
};

/** The index in a pool: the words of a file, and that they were counted, are one transaction. */
class in_pool {
public:
    explicit in_pool(const options &options)
        : directory_(std::filesystem::canonical(options.directory)), prefix_(options.directory.size()),
          index_(options.pool, directory_, options.mode == mode::write_through ? TM_WRITE_THROUGH : TM_WRITE_BACK)
    {
    }

    bool has(const file &file) const { return index_.has(name_of(file)); }
    void add(const file &file, std::size_t, const tally &words, bool is_complete)
    {
        if (is_complete) index_.add(name_of(file), words); // else the next run shall try again
    }
    void finish() { index_.finish(); }
    template <class Visit> void for_each(Visit &&visit) { index_.for_each(visit); }
    bool check() { return index_.check(); }
    void print_counts() const
    {
        std::printf(" already=%zu indexed=%zu", index_.already(), index_.files());
        print_counts_of_transactions();
    }

private:
    /** Below the directory, however that was written. */
    std::string_view name_of(const file &file) const
    {
        std::string_view name(file.path);
        name.remove_prefix(prefix_);
        return name.substr(std::min(name.find_first_not_of('/'), name.size()));
    }

    std::string directory_;
    std::size_t prefix_;
    stored_index index_;
};

/** The work that the threads share out among themselves. */
template <class Index> class job {
public:
    job(const options &options, const std::vector<file> &files, Index &index, const complain &complain)
        : options_(options), files_(files), index_(index), complain_(complain)
    {
    }

    /** Run all threads to their end. Throws what a thread has thrown. */
    void run()
    {
        std::vector<std::thread> threads;
        try {
            while (threads.size() < options_.threads) threads.emplace_back([this] { work(); });
            if (options_.progress) show_progress();
        } catch (...) { // no more threads to be had
            next_ = files_.size();
            failure_ = std::current_exception();
        }
        for (std::thread &t : threads) t.join();
        if (failure_) std::rethrow_exception(failure_);
    }

    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t words() const { return words_; }

private:
    void work()
    {
        reader reader;
        std::exception_ptr failure;
        try {
            for (std::size_t number; (number = next_.fetch_add(1)) < files_.size(); ++done_) {
                if (index_.has(files_[number])) continue;
                const tally &words = reader.read(files_[number].path, complain_);
                index_.add(files_[number], number, words, reader.is_complete());
            }
        } catch (...) {
            next_ = files_.size();
            failure = std::current_exception();
        }
        const std::lock_guard guard(mutex_);
        bytes_ += reader.bytes();
        words_ += reader.words();
        if (failure) failure_ = failure;
        ++finished_;
        wake_.notify_one();
    }

    void show_progress()
    {
        std::unique_lock guard(mutex_);
        while (!wake_.wait_for(guard, std::chrono::milliseconds(100), [this] { return finished_ == options_.threads; }))
            std::fprintf(stderr, "\r%s: %zu of %zu files", name(options_.mode), done_.load(), files_.size());
        std::fputs(clear_line, stderr);
    }

    const options &options_;
    const std::vector<file> &files_;
    Index &index_;
    const complain &complain_;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::size_t> done_{0};
    std::mutex mutex_; // guards what follows
    std::condition_variable wake_;
    unsigned finished_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t words_ = 0;
    std::exception_ptr failure_;
};

/** All words in order, in the format of uniq -c. */
template <class Index> void dump(Index &index, const std::string &path)
{
    std::FILE *const out = std::fopen(path.c_str(), "we");
    if (!out) throw std::system_error(errno, std::generic_category(), path);
    int error = 0;
    const auto note = [&](bool written) {
        if (!written && !error) error = errno;
    };
    index.for_each([&](std::string_view text, std::uint64_t count, std::uint64_t) {
        note(std::fprintf(out, "%7" PRIu64 " ", count) >= 0);
        note(std::fwrite(text.data(), 1, text.size(), out) == text.size());
        note(std::fputc('\n', out) >= 0);
    });
    note(std::fclose(out) == 0);
    if (error) throw std::system_error(error, std::generic_category(), path);
}

/** The most frequent words; of equal ones the first in order. */
template <class Index> void print_top(Index &index, std::size_t how_many)
{
    struct line {
        std::string_view text;
        std::uint64_t count, files;
    };
    std::vector<line> lines;
    index.for_each([&](std::string_view text, std::uint64_t count, std::uint64_t files) { lines.push_back({text, count, files}); });
    std::sort(lines.begin(), lines.end(),
              [](const line &a, const line &b) { return a.count != b.count ? a.count > b.count : a.text < b.text; });
    lines.resize(std::min(how_many, lines.size()));
    for (const line &l : lines) {
        std::printf("%9" PRIu64 " %7" PRIu64 " ", l.count, l.files);
        std::fwrite(l.text.data(), 1, l.text.size(), stdout);
        std::putchar('\n');
    }
}

template <class Index> int index_files(const options &options, Index &&index)
{
    complaints complaints(options);
    const complain complain = [&](const char *path, int error) { complaints(path, error); };
    const std::vector<file> files = list_files(options.directory, complain);
    job<std::remove_reference_t<Index>> job(options, files, index, complain);
    const clock::time_point start = clock::now();
    job.run();
    index.finish();
    const double seconds = std::chrono::duration<double>(clock::now() - start).count();

    std::size_t distinct = 0;
    index.for_each([&](std::string_view, std::uint64_t, std::uint64_t) { ++distinct; });
    if (!options.dump.empty()) dump(index, options.dump);
    print_top(index, options.top);
    std::printf("mode=%s threads=%u batch=%u seconds=%.3f files=%zu unreadable=%" PRIu64 " bytes=%" PRIu64 " words=%" PRIu64
                " distinct=%zu",
                name(options.mode), options.threads, options.batch, seconds, files.size(), complaints.count(), job.bytes(),
                job.words(), distinct);
    index.print_counts();
    std::putchar('\n');
    if (std::fflush(stdout)) throw std::system_error(errno, std::generic_category(), "standard output");
    if (options.check && !index.check()) throw std::runtime_error("the index is not sound");
    return complaints.count() ? trouble : 0;
}

int run(const options &options)
{
    struct stat status;
    const bool found = stat(options.directory.c_str(), &status) == 0;
    if (!found || !S_ISDIR(status.st_mode))
        throw std::system_error(found ? ENOTDIR : errno, std::generic_category(), options.directory);
    if (!options.pool.empty()) return index_files(options, in_pool(options));
    switch (options.mode) {
    case mode::write_back: return index_files(options, in_memory<by_transactions>(options, TM_WRITE_BACK));
    case mode::write_through: return index_files(options, in_memory<by_transactions>(options, TM_WRITE_THROUGH));
    default: return index_files(options, in_memory<by_lock>(options));
    }
}

} // namespace

} // namespace wordindex

int main(int argc, char **argv)
{
    const wordindex::options options = wordindex::parse(argc, argv);
    try {
        return wordindex::run(options);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "wordindex: %s\n", error.what());
        return wordindex::trouble;
    }
}
