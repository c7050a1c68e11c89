// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProcCore

/// How many processors the control groups leave.
@Suite struct ProcessorQuotaTests {
    private func count(_ groups: String, _ files: [String: String]) -> Int? {
        ProcessorQuota.processorCount(groups: groups) { files[$0] }
    }

    @Test func theOwnGroupCounts() {
        let groups = "0::/user.slice/app.service\n"
        #expect(count(groups, ["/sys/fs/cgroup/user.slice/app.service/cpu.max": "150000 100000\n"]) == 2)
        #expect(count(groups, ["/sys/fs/cgroup/user.slice/app.service/cpu.max": "max 100000\n"]) == nil)
        #expect(count(groups, ["/sys/fs/cgroup/user.slice/app.service/cpu.max": "1000 100000\n"]) == 1)
        #expect(count(groups, [:]) == nil)
        #expect(count(groups, ["/sys/fs/cgroup/other/cpu.max": "100000 100000\n"]) == nil)
    }

    @Test func theLeastOfAllAboveCounts() {
        let groups = "0::/a/b/c\n"
        var files = ["/sys/fs/cgroup/a/b/c/cpu.max": "800000 100000", "/sys/fs/cgroup/a/cpu.max": "300000 100000"]
        #expect(count(groups, files) == 3)
        files["/sys/fs/cgroup/cpu.max"] = "200000 100000"
        #expect(count(groups, files) == 2)
        // In a container's own view the group is the root.
        #expect(count("0::/\n", files) == 2)
        #expect(count("0::/../../elsewhere\n", files) == 2)
    }

    @Test func versionOneHasAQuotaAndAPeriod() {
        let groups = "11:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/1\n0::/docker/1\n"
        let folder = "/sys/fs/cgroup/cpu,cpuacct/docker/1"
        var files = ["\(folder)/cpu.cfs_quota_us": "250000\n", "\(folder)/cpu.cfs_period_us": "100000\n"]
        #expect(count(groups, files) == 3)
        files["\(folder)/cpu.cfs_quota_us"] = "-1\n"
        #expect(count(groups, files) == nil)
        files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "100000\n"
        files["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000\n"
        #expect(count(groups, files) == 1)
        files["/sys/fs/cgroup/unified/docker/cpu.max"] = "50000 100000"
        #expect(count(groups, files) == 1)
    }

    @Test(arguments: ["", "\n", "0", "0::", "x:y", "::::", "0::/a:b\n3:cpu:", "0:cpu:/\n"])
    func nonsenseIsNoLimit(_ groups: String) {
        #expect(count(groups, [:]) == nil)
        for text in ["", "max", "0 0", "-5 100000", "1 0", "one two", "99999999999999999999 1"] {
            let files = ["/sys/fs/cgroup/cpu.max": text, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": text]
            #expect(count(groups, files) == nil)
        }
    }
}
