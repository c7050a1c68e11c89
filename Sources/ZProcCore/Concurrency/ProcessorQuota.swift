// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// How many processors the control groups of a process let it use.
///
/// Of version 2, `cpu.max` of its group and of those above it; of version 1, the quota and period of the `cpu` controller's
/// groups. See `cgroups(7)` and the kernel's `admin-guide/cgroup-v2.rst`.
package enum ProcessorQuota {
    /// The least that any group allows, in whole processors; nil where there is no limit.
    ///
    /// - Parameters:
    ///   - groups: what `/proc/self/cgroup` says.
    ///   - read: gives what is in a file; nil when there is none.
    /// - Returns: how many processors, at least one.
    package static func processorCount(groups: String, read: (_ path: String) -> String?) -> Int? {
        var least: Int?
        for line in groups.split(separator: "\n") {
            // Number, controllers, path.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let controllers = fields[1].split(separator: ",")
            let roots: [String]
            if fields[0] == "0", controllers.isEmpty {
                // The second where both versions are in use.
                roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            } else if controllers.contains("cpu") {
                roots = ["/sys/fs/cgroup/\(fields[1])", "/sys/fs/cgroup/cpu"]
            } else {
                continue
            }
            for group in self.groups(upFrom: fields[2]) {
                for root in roots {
                    let folder = root + group
                    let count = controllers.isEmpty ? unified(folder, read) : separate(folder, read)
                    if let count { least = min(least ?? count, count) }
                }
            }
        }
        return least
    }

    /// A group and those above it, each as what follows the root's path; one that is not below what is mounted here is left
    /// out.
    private static func groups(upFrom path: Substring) -> [String] {
        var names = path.split(separator: "/").filter { $0 != ".." }, groups: [String] = []
        while !names.isEmpty {
            groups.append("/" + names.joined(separator: "/"))
            names.removeLast()
        }
        return groups + [""]
    }

    /// Of the form `max 100000`, or how many microseconds of each so many.
    private static func unified(_ folder: String, _ read: (String) -> String?) -> Int? {
        let words = read(folder + "/cpu.max")?.split { $0.isWhitespace } ?? []
        return words.count == 2 ? processors(Int(words[0]), Int(words[1])) : nil
    }

    /// The quota is -1 where there is none.
    private static func separate(_ folder: String, _ read: (String) -> String?) -> Int? {
        func number(_ name: String) -> Int? {
            (read(folder + "/" + name)?.split { $0.isWhitespace }.first).flatMap { Int($0) }
        }
        return processors(number("cpu.cfs_quota_us"), number("cpu.cfs_period_us"))
    }

    private static func processors(_ quota: Int?, _ period: Int?) -> Int? {
        guard let quota, let period, quota > 0, period > 0 else { return nil }
        return (quota - 1) / period + 1
    }
}
