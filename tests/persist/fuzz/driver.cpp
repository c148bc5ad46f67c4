// SPDX-License-Identifier: MIT
// fuzz_runs [--inputs N] [--first N] [--make-corpus DIRECTORY] [FILE | DIRECTORY]...: every file, large files of some shapes, then N inputs changed
// from them; each follows from its number and the files, so that "--first I --inputs 1" with the same files tries input I again.
#include "mutate.hpp"
#include "property.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace {

using namespace libtm::fuzz;

volatile unsigned long long running;

/** Tells the input that the program dies of; 0: a file that it was given. */
void die(int signal)
{
    char text[80];
    const int size = std::snprintf(text, sizeof text, "signal %d in input %llu\n", signal, running);
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, static_cast<std::size_t>(size));
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

struct Named {
    std::string name;
    Files files;
};

std::vector<unsigned char> contents(const std::filesystem::path &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void add_files(std::vector<Named> &corpus, const std::filesystem::path &path)
{
    std::vector<std::filesystem::path> paths;
    if (std::filesystem::is_directory(path))
        for (const auto &entry : std::filesystem::directory_iterator(path)) paths.push_back(entry.path());
    else
        paths.push_back(path);
    std::sort(paths.begin(), paths.end());
    for (const auto &each : paths) {
        const std::vector<unsigned char> code = contents(each);
        corpus.push_back({each.string(), decode(code.data(), code.size())});
    }
}

void save(const std::filesystem::path &path, const Files &files)
{
    const std::vector<unsigned char> code = encode(files);
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char *>(code.data()), static_cast<std::streamsize>(code.size()));
}

/** Input number `number`. */
Files make(unsigned long long number, const std::vector<Named> &corpus)
{
    Random random(number);
    const auto any = [&] { return corpus.empty() || random.one_in(3) ? compose(random) : corpus[random.below(corpus.size())].files; };
    Files files = any();
    if (random.one_in(8)) files = mix(files, any(), random);
    for (std::uint64_t i = random.below(6); i > 0; --i) mutate(files, random);
    return files;
}

bool fails(const std::string &name, const Files &files, Totals &totals)
{
    constexpr unsigned endless = 120; // seconds: loops that call the storage end much earlier, by its limit of work
    ::alarm(endless);
    const std::string wrong = try_files(files, totals);
    if (wrong.empty()) return false;
    std::printf("%s: %s\n", name.c_str(), wrong.c_str());
    return true;
}

} // namespace

int main(int argc, char **argv)
{
    const char *const scale = std::getenv("TM_TEST_SCALE");
    const double wanted = (std::getenv("TM_TEST_LONG") ? 500. : 1.) * INPUTS * (scale ? std::strtod(scale, nullptr) : 1);
    unsigned long long inputs = static_cast<unsigned long long>(wanted), first = 1;
    std::vector<Named> corpus;
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--inputs" && i + 1 < argc) {
            inputs = std::strtoull(argv[++i], nullptr, 10);
        } else if (arg == "--first" && i + 1 < argc) {
            first = std::strtoull(argv[++i], nullptr, 10);
        } else if (arg == "--make-corpus" && i + 1 < argc) {
            for (const auto &[name, files] : made_by_the_library()) save(std::filesystem::path(argv[i + 1]) / name, files);
            return 0;
        } else if (arg[0] != '-' && std::filesystem::exists(arg)) {
            add_files(corpus, arg);
        } else {
            std::fprintf(stderr, "usage: %s [--inputs N] [--first N] [--make-corpus DIRECTORY] [FILE | DIRECTORY]...\n", argv[0]);
            return 2;
        }
    }
    for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM}) std::signal(signal, die);
    Totals totals;
    unsigned failures = 0;
    for (const Named &each : corpus) failures += fails(each.name, each.files, totals);
    ::alarm(0);
    for (const auto &[name, wrong] : try_large(totals)) {
        std::printf("%s: %s\n", name.c_str(), wrong.c_str());
        ++failures;
    }
    for (unsigned long long number = first; number < first + inputs && failures < 10; ++number) {
        running = number;
        const Files files = make(number, corpus);
        const std::string name = "failed-" + std::to_string(number);
        if (!fails(name, files, totals)) continue;
        save(name, files);
        ++failures;
    }
    std::printf("explored: %llu damaged pools, %llu opened, %llu of them with groups replayed, %llu refused, %llu at addresses that are taken, %u failures\n", totals.inputs, totals.opened,
                totals.replayed, totals.refused, totals.unmappable, failures);
    return failures ? 1 : 0;
}
