// SPDX-License-Identifier: MIT
/**
 * P1, P2, P6 on real file systems: an image of one is mounted, cut off below a process that works in a pool there, unmounted and mounted again. What the file
 * system had not written is lost, as in a power cut. Where this is not possible the tests are skipped.
 */
#include "era.hpp"

#include <cerrno>
#include <chrono>
#include <linux/ioctl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <thread>

using namespace libtm::testing;

namespace {

/** EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN. */
constexpr unsigned long shutdown_call = _IOR('X', 125, std::uint32_t);
enum How : std::uint32_t { flushed, log_flushed, nothing_flushed };

bool runs(const std::string &command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

/** An image of a file system in a file, mounted; of this process alone. */
class Volume {
public:
    Volume(const std::string &kind, const std::string &directory) : image_(directory + "/image"), at_(directory + "/mounted")
    {
        const std::string make = kind == "xfs" ? "mkfs.xfs -q -f -m reflink=0 " : "mkfs." + kind + " -q -F ";
        if (::geteuid() != 0) why_not_ = "only root mounts";
        else if (!runs("command -v mkfs." + kind)) why_not_ = "there is no mkfs." + kind;
        else if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) why_not_ = "no mounts of its own: " + std::string(strerrordesc_np(errno));
        else if (!runs("truncate -s 320M " + image_) || !runs(make + image_)) why_not_ = "mkfs." + kind + " does not make one";
        else if (std::filesystem::create_directory(at_); !mount()) why_not_ = "it cannot be mounted, perhaps for want of loop devices or of " + kind + " in the kernel";
    }
    ~Volume() { unmount(); }
    Volume(const Volume &) = delete;
    Volume &operator=(const Volume &) = delete;

    const std::string &why_not() const { return why_not_; }
    const std::string &path() const { return at_; }
    bool mount() { return runs("mount -o loop " + image_ + " " + at_); }
    bool unmount()
    {
        for (int i = 0; i < 100; ++i) {
            if (::umount(at_.c_str()) == 0) return true;
            if (errno != EBUSY) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }
    /** From now on nothing reaches the image. */
    bool cut(std::uint32_t how)
    {
        const int file = ::open(at_.c_str(), O_RDONLY | O_CLOEXEC);
        const bool done = file >= 0 && ::ioctl(file, shutdown_call, &how) == 0;
        ::close(file);
        return done;
    }

private:
    std::string image_, at_, why_not_;
};

void cut_off(const std::string &kind)
{
    if (has_sanitizer) GTEST_SKIP() << "it is the file system that is tried here";
    // In memory, where there are more commits in the time: what is lost is what the file system has kept back.
    const Directory directory(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::getenv("TMPDIR"));
    Volume volume(kind, directory.path());
    if (!volume.why_not().empty()) GTEST_SKIP() << volume.why_not();
    const unsigned pools = std::getenv("TM_TEST_LONG") ? 1000 : 6, cuts_each = 6;
    Random random(random_seed());
    const Sums before = Era::sums;
    unsigned failed = 0;
    for (unsigned number = 0; number < pools; ++number) {
        const std::string path = volume.path() + "/pool" + std::to_string(number);
        Era era(setting_of(number, path));
        for (unsigned i = 0; i < cuts_each; ++i) {
            era.begin(random());
            era.wait(random);
            std::this_thread::sleep_for(std::chrono::milliseconds(random.below(100))); // a commit takes longer here
            ASSERT_EQ(era.failure(), "") << kind << ", pool " << number << ", before cut " << i;
            const std::size_t how = random.below(6);
            ASSERT_TRUE(volume.cut(how == 0 ? flushed : how == 1 ? log_flushed : nothing_flushed)) << strerrordesc_np(errno);
            std::this_thread::sleep_for(std::chrono::milliseconds(random.below(10))); // a commit that begins now must fail
            era.end();
            failed += !era.failure().empty();
            ASSERT_TRUE(volume.unmount()) << strerrordesc_np(errno);
            ASSERT_TRUE(volume.mount());
            ASSERT_EQ(era.check(random), "") << kind << ", pool " << number << ", cut " << i;
        }
        // Make room: the next one begins with nothing.
        for (const std::string &name : {path, path + "-journal"}) std::filesystem::remove(name);
    }
    std::printf("explored: %llu cuts of file systems, %llu commits, %llu recoveries of %llu groups, %u processes that were told of it, 0 violations\n", Era::sums.ends - before.ends,
                Era::sums.commits - before.commits, Era::sums.recoveries - before.recoveries, Era::sums.groups - before.groups, failed);
}

} // namespace

TEST(FileSystems, P1_P2_P6_ext4_is_cut_off)
{
    cut_off("ext4");
}

TEST(FileSystems, P1_P2_P6_xfs_is_cut_off)
{
    cut_off("xfs");
}
