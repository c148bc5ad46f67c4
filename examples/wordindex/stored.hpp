// SPDX-License-Identifier: MIT
/**
 * @file stored.hpp
 * The index in a pool: it survives, and a run that was killed is taken up by the next one.
 *
 * Each file is one transaction: its words, and the mark that it has been counted. So whenever the process is killed, a file is in the index as a whole or not at all, and
 * is counted once. The containers lie in the pool and take their blocks from it; all zero is an empty index.
 */
#ifndef EXAMPLES_WORDINDEX_STORED_HPP
#define EXAMPLES_WORDINDEX_STORED_HPP

#include "files.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tm/pooled.hpp>
#include <vector>

namespace wordindex {

class stored_index {
public:
    /** Open the index of the words below `directory` in the file `path`, or create it. Throws if it is that of another directory. */
    stored_index(const std::string &path, const std::string &directory, tm_mode mode) : pool_(path, sizeof(content), how()), content_(pool_.data<content>())
    {
        how_.mode = mode;
        how_.max_retries = 4; // every file has the most frequent words, so that transactions that run together mostly conflict
        const std::string of = libtm::atomically([&] {
            if (content_->directory.empty()) content_->directory = directory;
            return content_->directory.str();
        });
        if (of != directory) throw std::runtime_error(path + " is the index of " + of + ": remove it, or name another file with --pool");
        already_ = files();
    }

    /** Whether an earlier run has counted the file, or this one. */
    bool has(std::string_view file) const
    {
        return libtm::atomically([&] { return content_->files.contains(file); });
    }

    /** The file with these words has been counted. Durable soon, and in the order of these calls; all is after finish(). */
    void add(std::string_view file, const tally &words)
    {
        libtm::atomically(how_, [&] {
            const std::uint64_t number = content_->next;
            if (!content_->files.try_emplace(file, number).second) return;
            content_->next = number + 1;
            for (const auto &[text, count] : words) {
                entry &it = content_->words[text];
                it.count += count;
                it.files.push_back(number);
            }
        });
    }

    /** Make it durable. */
    void finish() { pool_.wait(); }

    /** Files that there were when it was opened. */
    std::size_t already() const { return already_; }
    std::size_t files() const
    {
        return libtm::atomically([&] { return content_->files.size(); });
    }

    /** Call `visit(text, count, files)` for every word, in order. Nobody adds meanwhile. */
    template <class Visit> void for_each(Visit &&visit) const
    {
        std::vector<std::string> texts;
        for (const auto &[text, it] : content_->words) texts.push_back(text.str());
        std::sort(texts.begin(), texts.end());
        for (const std::string &text : texts) {
            const entry &it = content_->words.at(text);
            visit(std::string_view(text), it.count.get(), it.files.size());
        }
    }

    /** Whether the containers are sound, and each word has its files, each once, and no others. Nobody adds meanwhile. */
    bool check() const
    {
        if (!content_->words.check() || !content_->files.check() || content_->next != content_->files.size()) return false;
        for (const auto &[text, it] : content_->words) {
            std::vector<std::uint64_t> numbers(it.files.begin(), it.files.end());
            std::sort(numbers.begin(), numbers.end());
            if (numbers.empty() || it.count < numbers.size() || numbers.back() >= content_->next || std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end()) return false;
        }
        return true;
    }

private:
    struct entry {
        libtm::var<std::uint64_t> count;
        libtm::pooled::vector<std::uint64_t> files; ///< that hold the word, by their numbers
    };
    struct content {
        libtm::pooled::string directory;
        libtm::var<std::uint64_t> next; ///< number of the next file
        libtm::pooled::hash_map<libtm::pooled::string, std::uint64_t> files; ///< that were counted: names below the directory, and numbers
        libtm::pooled::hash_map<libtm::pooled::string, entry> words;
    };

    static libtm::pool::attr how()
    {
        libtm::pool::attr attr{};
        attr.layout = "wordindex";
        attr.layout_version = 1;
        attr.reserve = std::uint64_t{1} << 36;
        attr.journal = 16 << 20;
        attr.durability = TM_DURABILITY_ASYNC; // a crash may take the last files, which are then counted again
        return attr;
    }

    libtm::pool pool_;
    content *content_;
    libtm::attr how_{};
    std::size_t already_ = 0;
};

} // namespace wordindex

#endif
