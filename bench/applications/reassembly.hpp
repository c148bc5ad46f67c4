// SPDX-License-Identifier: MIT
/**
 * @file reassembly.hpp
 * Packet reassembly, as intrusion detection does it: fragments of flows come in any order out of a queue; a map has the flows that are
 * incomplete; a flow that is complete goes through a second queue to a thread that looks for signatures in it, by itself.
 *
 * Three transactions, each short: take a few fragments; add one to its flow; if that was its last one, take a flow that is complete.
 * From then on the flow is the thread's own: it is read and freed by plain code.
 */
#ifndef BENCH_APPLICATIONS_REASSEMBLY_HPP
#define BENCH_APPLICATIONS_REASSEMBLY_HPP

#include "frame.hpp"
#include <array>
#include <string_view>
#include <structures/hash_map.hpp>
#include <structures/queue.hpp>

namespace applications {

struct reassembly_input {
    static constexpr std::uint32_t flows = 4096, most_pieces = 16, most_bytes = 512, signatures = 64;
    static constexpr std::int32_t none = -1;

    struct flow {
        std::string text;
        std::int32_t signature; /**< that is in it, or none */
    };
    struct fragment {
        std::uint32_t flow, piece, pieces;
        std::string_view text;
    };

    std::vector<std::string> known; /**< the signatures */
    std::vector<flow> sent;
    std::vector<fragment> fragments; /**< shuffled */

    reassembly_input()
    {
        dice d(3);
        // As long as this none comes about by chance.
        for (std::uint32_t i = 0; i < signatures; ++i) known.push_back(letters(d, 16));
        for (std::uint32_t i = 0; i < flows; ++i) {
            flow f{letters(d, 32 + d.below(most_bytes - 32)), none};
            if (d.below(10) == 0) {
                f.signature = static_cast<std::int32_t>(d.below(signatures));
                const std::string &s = known[static_cast<std::size_t>(f.signature)];
                f.text.replace(d.below(static_cast<std::uint32_t>(f.text.size() - s.size())), s.size(), s);
            }
            sent.push_back(std::move(f));
        }
        for (std::uint32_t i = 0; i < flows; ++i) {
            const std::string_view text = sent[i].text;
            const std::uint32_t pieces = 1 + d.below(most_pieces);
            for (std::uint32_t piece = 0; piece < pieces; ++piece) {
                const std::size_t from = text.size() * piece / pieces, to = text.size() * (piece + 1) / pieces;
                fragments.push_back({i, piece, pieces, text.substr(from, to - from)});
            }
        }
        for (std::size_t i = fragments.size(); i > 1; --i) std::swap(fragments[i - 1], fragments[d.below(static_cast<std::uint32_t>(i))]);
    }

private:
    static std::string letters(dice &d, std::size_t count)
    {
        std::string text(count, ' ');
        for (char &c : text) c = static_cast<char>('a' + d.below(26));
        return text;
    }
};

template <class Sync> class reassembly {
public:
    using input = reassembly_input;
    static constexpr int period = 31;

    reassembly(const input &in, int threads) : in_(in), incomplete_(input::flows), findings_(static_cast<std::size_t>(threads))
    {
        for (const auto &fragment : in_.fragments) arrived_.push(&fragment);
    }

    void work(int thread, client<Sync> &tx)
    {
        std::vector<finding> mine;
        burst next;
        while (const std::size_t count = tx.run([&] { return receive(next); })) {
            for (std::size_t i = 0; i < count; ++i) {
                const bool complete = tx.run([&] { return add(*next[i]); });
                if (!complete) continue;
                // There is one at least: every thread takes as many as it has put there.
                assembly *const whole = tx.run([&] { return complete_.pop().value_or(nullptr); });
                mine.push_back(examine(whole));
            }
        }
        findings_[static_cast<std::size_t>(thread)] = std::move(mine);
    }

    /** Each flow has come out once and as it was sent; the planted signatures are found, and no others. */
    bool intact()
    {
        std::vector<bool> seen(in_.sent.size());
        std::size_t count = 0;
        for (const auto &of_thread : findings_)
            for (const finding &f : of_thread) {
                if (!f.whole || f.flow >= seen.size() || seen[f.flow] || f.signature != in_.sent[f.flow].signature) return false;
                seen[f.flow] = true;
                ++count;
            }
        bool left = !arrived_.empty() || !complete_.empty();
        incomplete_.for_each([&](std::uint64_t, assembly *) { left = true; });
        return !left && count == in_.sent.size();
    }

private:
    using Access = typename Sync::access;
    using fragment = input::fragment;

    /** So many at once, as network cards hand them out, since all threads meet at the front of that queue. */
    using burst = std::array<const fragment *, 8>;
    /** The fragments of a flow that have come. */
    struct assembly {
        std::uint64_t missing;
        const fragment *pieces[input::most_pieces];
    };
    struct finding {
        std::uint32_t flow;
        std::int32_t signature;
        bool whole; /**< it was the text that was sent */
    };

    /** Into the thread's own memory, which a restart fills anew; how many: none if there will be no more. */
    std::size_t receive(burst &to)
    {
        std::size_t count = 0;
        while (count < to.size()) {
            const auto next = arrived_.pop();
            if (!next) break;
            to[count++] = *next;
        }
        return count;
    }

    /** Whether its flow is complete now. */
    bool add(const fragment &f)
    {
        if (f.pieces == 1) {
            complete_.push(::new (Access::allocate(sizeof(assembly))) assembly{0, {&f}});
            return true;
        }
        assembly **const found = incomplete_.find(f.flow);
        if (!found) {
            assembly *const fresh = ::new (Access::allocate(sizeof(assembly))) assembly{f.pieces - 1, {}};
            fresh->pieces[f.piece] = &f;
            incomplete_.insert(f.flow, fresh);
            return false;
        }
        assembly *const flow = Access::load(*found);
        const std::uint64_t missing = Access::load(flow->missing) - 1;
        Access::store(flow->pieces[f.piece], &f);
        Access::store(flow->missing, missing);
        if (missing > 0) return false;
        incomplete_.erase(f.flow);
        complete_.push(flow);
        return true;
    }

    /** Put it together, look for signatures, free it: nobody else can see it any more. */
    finding examine(assembly *flow)
    {
        if (!flow || !flow->pieces[0]) return {0, input::none, false};
        const fragment &first = *flow->pieces[0];
        finding result{first.flow, input::none, true};
        std::string text;
        for (std::uint32_t i = 0; i < first.pieces; ++i) {
            const fragment *const piece = flow->pieces[i];
            result.whole &= piece && piece->flow == first.flow;
            if (piece) text += piece->text;
        }
        Access::release(flow);
        for (std::size_t i = 0; i < in_.known.size(); ++i)
            if (text.find(in_.known[i]) != std::string::npos) result.signature = static_cast<std::int32_t>(i);
        result.whole &= text == in_.sent[first.flow].text;
        return result;
    }

    const input &in_;
    structures::queue<Access, const fragment *> arrived_;
    structures::hash_map<Access, std::uint64_t, assembly *> incomplete_;
    structures::queue<Access, assembly *> complete_;
    std::vector<std::vector<finding>> findings_;
};

} // namespace applications

#endif
