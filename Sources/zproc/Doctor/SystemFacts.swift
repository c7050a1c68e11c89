// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What `doctor` knows of the machine; what could not be found out is nil.
struct SystemFacts: Equatable {
    struct Directory: Equatable {
        var path: String
        /// The variable that names it; nil for the one that is taken when none does.
        var variable: String?
        var exists: Bool
        var isWritable: Bool
        /// Whether others can write to it who could remove what is there: no sticky bit.
        var isOpenToOthers: Bool
    }

    /// How many files a process may have open; nil for any number.
    var openFiles: UInt64?
    /// How many processes and threads this user, or this control group, may have; nil for any number.
    var processes: UInt64?
    /// How much a process may map; nil for any number.
    var addressSpace: UInt64?
    /// Where sockets go, in the order they are tried.
    var runtimeDirectories: [Directory] = []
    /// The memory file system `/dev/shm`; nil when it is none.
    var sharedMemory: (size: UInt64, free: UInt64)?

    static func == (left: SystemFacts, right: SystemFacts) -> Bool {
        left.openFiles == right.openFiles && left.processes == right.processes
            && left.addressSpace == right.addressSpace && left.runtimeDirectories == right.runtimeDirectories
            && left.sharedMemory?.size == right.sharedMemory?.size
            && left.sharedMemory?.free == right.sharedMemory?.free
    }
}

extension SystemFacts {
    /// Those of this machine and user.
    static func gathered() -> SystemFacts {
        var facts = SystemFacts()
        facts.openFiles = limit(RLIMIT_NOFILE)
        facts.processes = [limit(__RLIMIT_NPROC), groupLimit()].compactMap(\.self).min()
        facts.addressSpace = limit(RLIMIT_AS)
        for variable in ["XDG_RUNTIME_DIR", "TMPDIR"] {
            if let path = environment(variable) { facts.runtimeDirectories.append(directory(path, variable)) }
        }
        facts.runtimeDirectories.append(directory("/tmp", nil))
        facts.sharedMemory = sharedMemory()
        return facts
    }

    private static func limit(_ resource: __rlimit_resource) -> UInt64? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 else { return nil }
        return limit.rlim_cur == rlim_t.max ? nil : UInt64(limit.rlim_cur)
    }

    /// The limit of this process's control group, in the second version of those.
    private static func groupLimit() -> UInt64? {
        guard let groups = try? Files.read("/proc/self/cgroup") else { return nil }
        for line in String(decoding: groups, as: UTF8.self).split(separator: "\n") where line.hasPrefix("0::") {
            guard let text = try? Files.read("/sys/fs/cgroup\(line.dropFirst(3))/pids.max") else { continue }
            return UInt64(String(decoding: text, as: UTF8.self).filter { $0 != "\n" })
        }
        return nil
    }

    private static func directory(_ path: String, _ variable: String?) -> Directory {
        var status = stat()
        let exists = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        let isOpen = status.st_mode & 0o022 != 0 && status.st_mode & 0o1000 == 0
        return Directory(
            path: path,
            variable: variable,
            exists: exists,
            isWritable: exists && access(path, W_OK | X_OK) == 0,
            isOpenToOthers: exists && isOpen
        )
    }

    private static func sharedMemory() -> (size: UInt64, free: UInt64)? {
        let mounts = (try? Files.read("/proc/self/mounts")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        // The last one mounted there is the one that is seen.
        let mount = mounts.split(separator: "\n").map { $0.split(separator: " ") }.last {
            $0.dropFirst().first == "/dev/shm"
        }
        var system = statvfs()
        guard let mount, mount.count > 2, mount[2] == "tmpfs", statvfs("/dev/shm", &system) == 0 else { return nil }
        let unit = UInt64(system.f_frsize)
        return (UInt64(system.f_blocks) * unit, UInt64(system.f_bavail) * unit)
    }
}
