// SPDX-License-Identifier: MIT
#include "disk.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::crash {

std::string directory(std::string_view path)
{
    const std::size_t slash = path.rfind('/');
    return slash == path.npos ? "." : std::string(path.substr(0, slash ? slash : 1));
}

Node::~Node()
{
    if (memfd) Memfd::give_back(std::move(memfd));
}

Disk::Data::Data(const Files &files, bool recording_) : table{functions(), this}, before(files), recording(recording_), next(files.data->next)
{
    std::map<std::uint64_t, std::shared_ptr<Node>> by_number;
    for (const auto &[path, number] : files.data->names) {
        std::shared_ptr<Node> &node = by_number[number];
        if (!node) {
            node = std::make_shared<Node>();
            node->number = number;
            node->label = path;
            node->content = node->durable = files.data->contents.at(number);
            nodes.push_back(node);
        }
        ++node->links;
        names[path] = node;
    }
}

Node *Disk::Data::node(int file, bool to_write)
{
    if (file < 0 || static_cast<std::size_t>(file) >= handles.size()) return nullptr;
    const Handle &handle = handles[static_cast<std::size_t>(file)];
    return to_write && !handle.writable ? nullptr : handle.node.get();
}

int Disk::Data::handle(std::shared_ptr<Node> node, bool writable)
{
    auto free = std::find_if(handles.begin(), handles.end(), [](const Handle &h) { return !h.node; });
    if (free == handles.end()) free = handles.insert(free, Handle{});
    *free = {std::move(node), writable};
    return static_cast<int>(free - handles.begin());
}

std::shared_ptr<Node> Disk::Data::make(const char *path)
{
    const auto node = std::make_shared<Node>();
    node->number = next++;
    node->label = path;
    nodes.push_back(node);
    return node;
}

void Disk::Data::add(Event event)
{
    for (const auto &observer : observers) observer(event);
    if (recording) events.push_back(std::move(event));
}

void Disk::Data::resize(Node &node, std::uint64_t size)
{
    node.content.resize(size);
    std::erase_if(node.reserved, [&](std::uint64_t b) { return b >= node.content.blocks(); });
    if (node.memfd) node.memfd->show(node.content);
}

std::uint64_t Disk::Data::used() const
{
    std::uint64_t all = 0;
    for (const auto &node : nodes) {
        if (!node->links && node.use_count() == 1) continue; // gone
        for (std::uint64_t b = 0; b < node->content.blocks(); ++b) all += node->content.block(b) || node->reserved.contains(b);
    }
    return all;
}

bool Disk::Data::fits(const Node &node, std::uint64_t size, std::uint64_t offset) const
{
    if (space == UINT64_MAX || size == 0) return true;
    std::uint64_t more = 0;
    for (std::uint64_t b = offset / block_size; b <= (offset + size - 1) / block_size; ++b) more += !node.content.block(b) && !node.reserved.contains(b);
    return more == 0 || used() + more <= space;
}

void Disk::Data::fail_sync(Node &node, int error)
{
    if (after_failure == AfterFailure::see_old && error != EINTR) { // an interrupted one has lost nothing
        const std::uint64_t size = node.content.size();
        node.content = node.durable;
        node.content.resize(size);
        if (node.memfd) node.memfd->show(node.content);
    }
    add({.kind = Event::sync, .result = -error, .file = node.number, .path = node.label});
}

Disk::Disk(const Files &files, bool record) : data_(std::make_unique<Data>(files, record))
{
    data_->disk = this;
}

Disk::~Disk() = default;

tm_storage *Disk::storage()
{
    return &data_->table;
}

void Disk::mark(std::string_view what, std::uint64_t number)
{
    const std::scoped_lock lock(data_->mutex);
    data_->add({.kind = Event::mark, .path = std::string(what), .offset = number});
}

void Disk::observe(std::function<void(const Event &)> observer)
{
    const std::scoped_lock lock(data_->mutex);
    data_->observers.push_back(std::move(observer));
}

Recording Disk::recording() const
{
    const std::scoped_lock lock(data_->mutex);
    return {data_->before, data_->events};
}

Files Disk::files() const
{
    const std::scoped_lock lock(data_->mutex);
    auto files = std::make_shared<FilesData>();
    files->next = data_->next;
    for (const auto &[path, node] : data_->names) {
        files->names[path] = node->number;
        files->contents[node->number] = node->content;
    }
    Files result;
    result.data = std::move(files);
    return result;
}

void Disk::without_unnamed_files()
{
    const std::scoped_lock lock(data_->mutex);
    data_->unnamed = false;
}

void Disk::limit_space(std::uint64_t bytes)
{
    const std::scoped_lock lock(data_->mutex);
    data_->space = bytes / block_size;
}

void Disk::after_failure(AfterFailure seen)
{
    const std::scoped_lock lock(data_->mutex);
    data_->after_failure = seen;
}

void Disk::fail_sync(int file, int error)
{
    const std::scoped_lock lock(data_->mutex);
    if (Node *const node = data_->node(file)) data_->fail_sync(*node, error);
}

void Disk::fail_sync_directory(const char *path, int error)
{
    const std::scoped_lock lock(data_->mutex);
    data_->add({.kind = Event::sync_directory, .result = -error, .path = directory(path)});
}

Disk *Disk::of(tm_storage *storage)
{
    return storage->sync == Data::functions().sync ? static_cast<Data::Table *>(storage)->data->disk : nullptr;
}

} // namespace libtm::crash
