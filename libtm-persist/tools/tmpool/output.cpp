// SPDX-License-Identifier: MIT
#include "output.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

namespace libtm::tmpool {

namespace {

void put(const std::string &text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) throw persist::call_failed(errno, "standard output", "write");
}

/** Names in a pool are anybody's: what could speak to the terminal is spelled out. */
std::string printable(const std::string &text)
{
    std::string safe;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        char code[8];
        if ((byte < 0x20 && c != '\n') || byte == 0x7f) std::snprintf(code, sizeof code, "\\x%02x", byte), safe += code;
        else safe += c;
    }
    return safe;
}

std::string as_text(const Json &value)
{
    if (value.is_null()) return "-";
    if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
    return value.is_string() ? printable(value.get<std::string>()) : value.dump();
}

/** Keys are words joined by underscores. */
std::string label(const std::string &key)
{
    std::string words = key;
    std::replace(words.begin(), words.end(), '_', ' ');
    return words;
}

bool is_failure(const Json &value) { return value.is_object() && value.contains("remedy"); }

void put_failure(const Json &failure, const std::string &indent)
{
    put(indent + as_text(failure["file"]) + ": " + as_text(failure["field"]) + "\n");
    for (const char *key : {"offset", "found", "expected", "remedy"}) {
        if (failure[key].is_null()) continue;
        char name[32];
        std::snprintf(name, sizeof name, "    %-10s", key);
        put(indent + name + as_text(failure[key]) + "\n");
    }
}

/** Objects that have the same keys. */
void put_table(const Json &rows, const std::string &indent)
{
    std::vector<std::pair<std::string, std::size_t>> columns;
    for (const auto &[key, value] : rows[0].items())
        if (!value.is_structured()) columns.emplace_back(key, label(key).size());
    for (const Json &row : rows)
        for (auto &[key, width] : columns) width = std::max(width, as_text(row[key]).size());
    const auto put_row = [&](auto &&cell) {
        std::string line = indent;
        for (const auto &[key, width] : columns) {
            std::string text = cell(key);
            text.resize(std::max(width, text.size()) + 2, ' ');
            line += text;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        put(line + "\n");
    };
    put_row([](const std::string &key) { return label(key); });
    for (const Json &row : rows) {
        put_row([&](const std::string &key) { return as_text(row[key]); });
        for (const auto &[key, value] : row.items())
            if (value.is_array() && !value.empty()) put_table(value, indent + "    ");
    }
}

void put_object(const Json &object, const std::string &indent)
{
    std::size_t width = 0;
    for (const auto &[key, value] : object.items())
        if (!value.is_structured()) width = std::max(width, key.size());
    for (const auto &[key, value] : object.items()) {
        if (value.is_array() && value.empty()) continue;
        if (!value.is_structured()) {
            std::string name = label(key);
            name.resize(width + 2, ' ');
            put(indent + name + as_text(value) + "\n");
            continue;
        }
        put(indent + label(key) + "\n");
        const std::string deeper = indent + "    ";
        if (is_failure(value)) put_failure(value, deeper);
        else if (value.is_object()) put_object(value, deeper);
        else if (is_failure(value[0])) for (const Json &failure : value) put_failure(failure, deeper);
        else if (value[0].is_object()) put_table(value, deeper);
        else for (const Json &line : value) put(deeper + as_text(line) + "\n");
    }
}

Json or_null(const std::string &text) { return text.empty() ? Json() : Json(text); }

void put_json(const Json &document)
{
    // Paths and names of a pool need not be UTF-8; JSON must.
    put(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

} // namespace

int status_of(int code)
{
    switch (code) {
    case 0: return fine;
    case EMEDIUMTYPE:
    case ENOTSUP:
    case EBADMSG:
    case ESTALE: return wrong;
    case EINVAL: return usage;
    case EBUSY: return in_use;
    default: return system;
    }
}

std::string name_of(int code)
{
    if (code == ENOTSUP) return "ENOTSUP"; // it has two names, and tm/persist.h has this one
    const char *const name = strerrorname_np(code);
    return name ? name : std::to_string(code);
}

Json to_json(const Failure &failure)
{
    return {{"code", name_of(failure.code)},       {"file", or_null(failure.file)},         {"field", or_null(failure.field)},   {"offset", failure.offset},
            {"found", or_null(failure.found)},     {"expected", or_null(failure.expected)}, {"remedy", or_null(failure.remedy)}, {"message", failure.message()}};
}

void print(const Result &result, bool as_json)
{
    if (as_json) put_json(result.document);
    else if (!result.text.empty()) put(result.text);
    else put_object(result.document, "");
    if (std::fflush(stdout) != 0) throw persist::call_failed(errno, "standard output", "write");
}

int complain(const Failure &failure, bool as_json)
{
    if (as_json) {
        try {
            put_json({{"error", to_json(failure)}});
            std::fflush(stdout);
        } catch (const Failure &) { // standard error has it
        }
    }
    std::fprintf(stderr, "tmpool: %s\n", printable(failure.message()).c_str());
    return status_of(failure.code);
}

void throw_last()
{
    const auto text = [](const char *said) { return said ? std::string(said) : std::string(); };
    const tm_pool_failure &last = *tm_pool_error();
    throw Failure{last.code, text(last.file), text(last.field), last.offset, text(last.found), text(last.expected), text(last.remedy)};
}

} // namespace libtm::tmpool
