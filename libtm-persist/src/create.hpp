// SPDX-License-Identifier: MIT
/**
 * @file create.hpp
 * Making the file of a pool, all at once.
 */
#pragma once

#include "copy.hpp"

namespace libtm::persist {

/** A file that has no name until publish(); without that it is gone in the end. */
class NewFile {
public:
    /** Throws EEXIST if there is a file of that name. */
    NewFile(tm_storage &storage, std::string path);
    ~NewFile();
    NewFile(const NewFile &) = delete;
    NewFile &operator=(const NewFile &) = delete;
    const File &get() const { return file_; }
    /** The file, for its user. */
    File take() { return std::move(file_); }
    /** Make it durable, name it, make the name durable. */
    void publish();

private:
    tm_storage &storage_;
    std::string path_, temporary_;
    File file_;
};

/** Of a new pool, closed. */
Header new_header(std::uint64_t image_size, const tm_pool_attr &attr);
void write_first_header(const File &file, const Header &header);

/** tm_pool_backup(). */
void backup(const std::string &from, const std::string &to, const tm_pool_attr &attr, const Progress &progress);

} // namespace libtm::persist
