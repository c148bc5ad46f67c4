// SPDX-License-Identifier: MIT
/**
 * @file reservation.hpp
 * A travel agency: tables of cars, flights and rooms, and one of customers with what they have booked; four red-black trees.
 *
 * Of 100 transactions 90 look at four offers, and book for a customer the cheapest of each kind that is not sold out; 5 delete a customer, whose bookings
 * go back; 5 change four offers: one place more or less, which may bring an offer or take it out, at another price. As published
 * reservation systems for transactional memory do it, with more contention than in their gentle form and less than in their harsh one.
 */
#ifndef BENCH_APPLICATIONS_RESERVATION_HPP
#define BENCH_APPLICATIONS_RESERVATION_HPP

#include "frame.hpp"
#include <array>
#include <structures/ordered_map.hpp>

namespace applications {

struct reservation_input {
    static constexpr std::uint32_t kinds = 3, offers = 16384, customers = 16384, looks = 4;
    static constexpr std::size_t operations = 32768;

    enum class verb { reserve, remove, change };
    struct look {
        std::uint32_t kind, offer;
        std::int64_t price; /**< if the offer is to be changed */
        bool more;
    };
    struct request {
        verb what;
        std::uint32_t customer;
        std::array<look, looks> at;
    };

    std::vector<request> requests;

    reservation_input()
    {
        dice d(1);
        for (std::size_t i = 0; i < operations; ++i) {
            const std::uint32_t choice = d.below(100);
            request r{choice < 90 ? verb::reserve : choice < 95 ? verb::remove : verb::change, d.below(customers), {}};
            for (look &l : r.at) l = {d.below(kinds), d.below(offers), 1 + d.below(1000), d.below(2) == 0};
            requests.push_back(r);
        }
    }
};

template <class Sync> class reservation {
public:
    using input = reservation_input;
    static constexpr int period = 31;

    reservation(const input &in, int threads) : in_(in), threads_(threads), ledgers_(static_cast<std::size_t>(threads))
    {
        dice d(2);
        for (auto &table : tables_)
            for (std::uint64_t i = 0; i < input::offers; ++i) {
                const std::int64_t places = 1 + d.below(3);
                opening_ += places;
                table.insert(i, {places, 0, 1 + d.below(1000)});
            }
        for (std::uint64_t i = 0; i < input::customers; ++i) customers_.insert(i, nullptr);
    }
    reservation(const reservation &) = delete;
    reservation &operator=(const reservation &) = delete;
    ~reservation()
    {
        customers_.for_each([](std::uint64_t, booking *b) {
            while (b) {
                booking *const dead = b;
                b = load(b->next);
                Access::release(dead);
            }
        });
    }

    void work(int thread, client<Sync> &tx)
    {
        ledger sum;
        const slice mine(in_.requests.size(), thread, threads_);
        for (std::size_t i = mine.first; i < mine.last; ++i) {
            const auto &request = in_.requests[i];
            switch (request.what) {
            case input::verb::reserve: sum.bookings += tx.run([&] { return reserve(request); }); break;
            case input::verb::remove: sum.bookings -= tx.run([&] { return remove(request.customer); }); break;
            case input::verb::change: sum.places += tx.run([&] { return change(request); }); break;
            }
        }
        ledgers_[static_cast<std::size_t>(thread)] = sum;
    }

    /** What customers hold is what the tables say is taken, nothing is oversold, and neither bookings nor places got lost. */
    bool intact()
    {
        ledger sum;
        for (const ledger &l : ledgers_) {
            sum.bookings += l.bookings;
            sum.places += l.places;
        }
        std::vector<std::int64_t> held(std::size_t{input::kinds} * input::offers);
        std::int64_t bookings = 0, places = 0;
        customers_.for_each([&](std::uint64_t, booking *b) {
            for (; b; b = load(b->next), ++bookings) ++held[load(b->kind) * input::offers + load(b->id)];
        });
        bool right = customers_.check();
        for (std::size_t kind = 0; kind < input::kinds; ++kind) {
            right &= tables_[kind].check();
            tables_[kind].for_each([&](std::uint64_t id, const offer &o) {
                std::int64_t &of_customers = held[kind * input::offers + id];
                right &= o.taken == of_customers && o.taken <= o.places && o.places > 0;
                of_customers = 0;
                places += o.places;
            });
        }
        // What is left is held of offers that are in no table.
        right &= std::ranges::all_of(held, [](std::int64_t n) { return n == 0; });
        return right && bookings == sum.bookings && places == opening_ + sum.places;
    }

private:
    using Access = typename Sync::access;
    template <class T> static T load(const T &object) { return Access::load(object); }
    template <class T> static void store(T &object, const std::type_identity_t<T> &value) { Access::store(object, value); }

    struct offer {
        std::int64_t places, taken, price;
    };
    struct booking {
        booking *next;
        std::uint64_t kind, id;
        std::int64_t price;
    };
    /** A thread's own: what its transactions have added. */
    struct ledger {
        std::int64_t bookings = 0, places = 0;
    };

    /** How many were booked: at most one of a kind. */
    std::int64_t reserve(const input::request &request)
    {
        offer *best[input::kinds] = {};
        std::uint64_t id[input::kinds];
        std::int64_t price[input::kinds];
        for (const auto &look : request.at) {
            offer *const o = tables_[look.kind].find(look.offer);
            if (!o || load(o->taken) >= load(o->places)) continue;
            const std::int64_t here = load(o->price);
            if (best[look.kind] && here >= price[look.kind]) continue;
            best[look.kind] = o;
            id[look.kind] = look.offer;
            price[look.kind] = here;
        }
        booking **list = nullptr;
        std::int64_t booked = 0;
        for (std::uint64_t kind = 0; kind < input::kinds; ++kind) {
            if (!best[kind]) continue;
            if (!list) list = customers_.insert(request.customer, nullptr).first;
            store(best[kind]->taken, load(best[kind]->taken) + 1);
            booking *const fresh = ::new (Access::allocate(sizeof(booking))) booking{load(*list), kind, id[kind], price[kind]};
            store(*list, fresh);
            ++booked;
        }
        return booked;
    }

    /** How many bookings the customer had. */
    std::int64_t remove(std::uint64_t customer)
    {
        booking **const list = customers_.find(customer);
        if (!list) return 0;
        std::int64_t had = 0;
        for (booking *b = load(*list); b; ++had) {
            // There it is: what is taken stays in its table. (GCC 12 breaks off at a null pointer in an atomic block.)
            if (offer *const o = tables_[load(b->kind)].find(load(b->id))) store(o->taken, load(o->taken) - 1);
            booking *const dead = b;
            b = load(b->next);
            Access::release(dead);
        }
        customers_.erase(customer);
        return had;
    }

    /** How many places more there are. */
    std::int64_t change(const input::request &request)
    {
        std::int64_t more = 0;
        for (const auto &look : request.at) {
            auto &table = tables_[look.kind];
            offer *const o = table.find(look.offer);
            if (!o) {
                if (look.more) more += table.insert(look.offer, {1, 0, look.price}).second;
                continue;
            }
            const std::int64_t places = load(o->places);
            store(o->price, look.price);
            if (look.more) {
                store(o->places, places + 1);
                ++more;
            } else if (load(o->taken) < places) {
                if (places > 1)
                    store(o->places, places - 1);
                else
                    table.erase(look.offer);
                --more;
            }
        }
        return more;
    }

    const input &in_;
    int threads_;
    std::array<structures::ordered_map<Access, std::uint64_t, offer>, input::kinds> tables_;
    structures::ordered_map<Access, std::uint64_t, booking *> customers_;
    std::int64_t opening_ = 0;
    std::vector<ledger> ledgers_;
};

} // namespace applications

#endif
