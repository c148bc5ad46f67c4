// SPDX-License-Identifier: MIT
#include "labels.hpp"

#include "alone.hpp"

#include "context.hpp"
#include "tx.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string_view>

namespace libtm::engine::labels {

namespace {

/** All labels of the process, in the order in which they came. It only grows. */
constinit std::atomic<Name *> first_name{nullptr};

std::uint64_t hash_of(std::string_view text) // FNV-1a
{
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    return hash;
}

bool is(const Name &name, std::string_view text, std::uint64_t hash) { return name.hash == hash && name.text() == text; }

const Name *find_name(std::string_view text)
{
    const std::uint64_t hash = hash_of(text);
    const Name *name = first_name.load(std::memory_order_acquire);
    while (name && !is(*name, text, hash)) name = name->next.load(std::memory_order_acquire);
    return name;
}

/** Of two threads that add the same name, one finds that of the other at the end of the list. Null: no memory. */
const Name *add_name(std::string_view text)
{
    void *const memory = std::malloc(sizeof(Name) + (text.size() / 8 + 1) * 8);
    if (!memory) return nullptr;
    Name *const fresh = new (memory) Name;
    fresh->hash = hash_of(text);
    text.copy(fresh->text(), text.size());
    fresh->text()[text.size()] = '\0';
    for (std::atomic<Name *> *end = &first_name;;) {
        Name *other = nullptr;
        if (end->compare_exchange_strong(other, fresh, std::memory_order_acq_rel)) return fresh;
        if (is(*other, text, fresh->hash)) {
            std::free(memory);
            return other;
        }
        end = &other->next;
    }
}

/** The table of the context. Null: no memory. */
Table *table_of(Context &tx)
{
    Table *table = tx.label_table.load(std::memory_order_relaxed);
    if (table) return table;
    void *const memory = std::malloc(sizeof(Table));
    if (!memory) return nullptr;
    table = new (memory) Table;
    tx.label_table.store(table, std::memory_order_release);
    return table;
}

[[gnu::noinline]] Label *find_first(Context &tx, const char *text)
{
    Table *const table = table_of(tx);
    Label *const label = table ? table->find_or_make(text) : nullptr;
    *tx.errno_address = tx.begin_errno; // malloc may have set it
    return label;
}

/** An attempt begins. */
void mark(Context &tx)
{
    tx.duties |= duty_label;
    tx.run.extensions = tx.stats.extensions.get();
    tx.run.reads = tx.dropped_reads;
}

/** With Manner::automatic. */
AutoMode &mode_of(Context &tx) { return tx.run.label ? tx.run.label->mode : tx.unlabelled; }

void count_extensions(Context &tx) { tx.run.label->extensions.add(tx.stats.extensions.get() - tx.run.extensions); }

} // namespace

bool Table::matches(const Known &known, const char *text) const
{
    if (known.label == labels_[most].load(std::memory_order_relaxed)) return known.hash == hash_of(text);
    return std::strcmp(known.label->name->text(), text) == 0;
}

const Label *Table::look(const Name &name) const
{
    for (const auto &place : labels_) {
        const Label *const label = place.load(std::memory_order_acquire);
        if (label && label->name == &name) return label;
    }
    return nullptr;
}

Label *Table::make(std::size_t place, const char *text)
{
    const Name *name = find_name(text);
    if (!name) name = add_name(text);
    void *const memory = name ? std::malloc(sizeof(Label)) : nullptr;
    if (!memory) return nullptr;
    Label *const label = new (memory) Label(*name);
    labels_[place].store(label, std::memory_order_release);
    return label;
}

Label *Table::label_of(const char *text)
{
    const Name *const name = find_name(text);
    for (std::size_t place = 0; place < most; ++place) {
        Label *const label = labels_[place].load(std::memory_order_relaxed);
        if (!label) return make(place, text);
        if (label->name == name) return label;
    }
    Label *const others = labels_[most].load(std::memory_order_relaxed);
    return others ? others : make(most, TM_LABEL_OTHERS);
}

Label *Table::find_or_make(const char *text)
{
    Label *const label = label_of(text);
    if (label) known_[place_of(text)] = {text, label, label == labels_[most].load(std::memory_order_relaxed) ? hash_of(text) : 0};
    return label;
}

void begin(Context &tx)
{
    Run &run = tx.run;
    Label *label = nullptr;
    if (const char *const text = tx.attr.label) {
        Table *const table = tx.label_table.load(std::memory_order_relaxed);
        label = table ? table->find(text) : nullptr;
        if (__builtin_expect(!label, 0)) label = find_first(tx, text);
    }
    if (tx.manner.begins_with & Manner::automatic || tx.attr.mode == TM_MODE_AUTO) {
        tx.manner.begins_with |= Manner::automatic;
        if (!label) return begin_automatic(tx);
        tx.manner.write_through = label->mode.begin();
    }
    run.label = label;
    if (!label) return;
    mark(tx);
    run.begin = label->sampling.next() ? now_ns() : 0;
}

void begin_automatic(Context &tx)
{
    tx.run.label = nullptr;
    tx.manner.write_through = tx.unlabelled.begin();
    if (__builtin_expect(tx.unlabelled.is_sampled(), 0)) mark(tx);
}

void begin_again(Context &tx)
{
    const bool automatic = tx.manner.begins_with & Manner::automatic;
    if (!tx.label() && !automatic) return;
    if (tx.run.label || (automatic && tx.unlabelled.is_sampled())) mark(tx);
}

void measure(Context &tx)
{
    tx.run.reads = tx.dropped_reads - tx.run.reads + static_cast<std::uint64_t>(tx.read_next - tx.read_begin);
    tx.run.writes = tx.writes.size() + alone::stripes_stored(tx);
    tx.run.alone = (tx.duties & duty_alone) && tx.writes.empty();
    tx.run.looked = tx.run.waited = false;
}

bool wait_until_passed(Context &tx)
{
    const bool timed = tx.run.label && tx.run.begin;
    const std::uint64_t before = timed ? now_ns() : 0;
    tx.run.looked = true;
    tx.run.waited = engine::wait_until_passed(tx);
    tx.run.quiescence = timed && tx.run.waited ? now_ns() - before : 0;
    return tx.run.waited;
}

Ended commit(Context &tx, bool wrote)
{
    const Run &run = tx.run;
    if (wrote && tx.manner.begins_with & Manner::automatic) mode_of(tx).committed(run.writes, run.label ? 1 : AutoMode::sampling);
    if (!run.label) return {};
    Label &label = *run.label;
    (!wrote ? label.read_only : tx.manner.write_through ? label.write_through : label.write_back).add();
    count_extensions(tx);
    if (run.waited) label.waits.add();
    label.attempts.add(tx.attempts);
    if (run.alone)
        label.alone.add();
    else
        label.read_set.add(run.reads);
    label.write_set.add(run.writes);
    if (run.begin && run.looked) label.quiescence.add(run.quiescence, label.sampling.weight());
    return {run.begin ? &label : nullptr, run.begin};
}

void end(const Ended &ended)
{
    if (!ended.label) return;
    const std::uint64_t ns = now_ns() - ended.begin;
    ended.label->duration.add(ns, ended.label->sampling.weight());
    ended.label->sampling.timed(ns);
}

void roll_back(Context &tx, tm_abort_reason reason)
{
    if (tx.manner.begins_with & Manner::automatic && (!tx.writes.empty() || tx.undo_next != tx.undo_log)) mode_of(tx).rolled_back();
    if (!(tx.duties & duty_label) || !tx.run.label) return;
    tx.run.label->aborts[reason].add();
    count_extensions(tx);
}

} // namespace libtm::engine::labels

using namespace libtm::engine;

extern "C" int tm_label_stats_get(const char *text, tm_label_stats *stats)
{
    *stats = {};
    const labels::Name *const name = text ? labels::find_name(text) : nullptr;
    if (!name) return ENOENT;
    const auto each = [name](auto visit) {
        for (const Context *context = registry.first(); context; context = context->next_context) {
            const labels::Table *const table = context->label_table.load(std::memory_order_acquire);
            if (const labels::Label *const label = table ? table->look(*name) : nullptr) visit(*label);
        }
    };
    each([stats](const labels::Label &label) {
        stats->read_only += label.read_only.get();
        stats->write_back += label.write_back.get();
        stats->write_through += label.write_through.get();
        stats->alone += label.alone.get();
        stats->extensions += label.extensions.get();
        stats->waits += label.waits.get();
        for (unsigned reason = 0; reason < TM_ABORT_REASONS; ++reason) stats->aborts[reason] += label.aborts[reason].get();
    });
    stats->commits = stats->read_only + stats->write_back + stats->write_through;
    const auto sum = [&each]<unsigned bits>(Histogram<bits> labels::Label::*part) {
        Summed<bits> all;
        each([&](const labels::Label &label) { all.add(label.*part); });
        return all.result();
    };
    stats->attempts = sum(&labels::Label::attempts);
    stats->read_set = sum(&labels::Label::read_set);
    stats->write_set = sum(&labels::Label::write_set);
    stats->duration_ns = sum(&labels::Label::duration);
    stats->quiescence_ns = sum(&labels::Label::quiescence);
    return 0;
}

extern "C" size_t tm_labels(const char **texts, size_t capacity)
{
    std::size_t count = 0;
    for (const labels::Name *name = labels::first_name.load(std::memory_order_acquire); name; name = name->next.load(std::memory_order_acquire), ++count)
        if (count < capacity) texts[count] = name->text();
    return count;
}
