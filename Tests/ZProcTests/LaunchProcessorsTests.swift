// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CZProc
import Glibc
import Testing
import ZProcCore

/// On which processors a child is while it starts: where it will have fewer threads than there are processors, it has as
/// few of these until its code runs.
@Suite(.timeLimit(.minutes(1))) struct LaunchProcessorsTests {
    /// Else they would stand in line for the first one.
    @Test func childrenThatStartTogetherUseAllProcessors() async throws {
        let all = try processors(of: Array(status("/proc/self/status")))
        guard all.count > 1, access("/bin/bash", X_OK) == 0 else { return }
        try await withTemporaryDirectory { directory in
            let script = "\(directory)/script"
            try write("cat /proc/self/status; exit 0", to: script)
            // The thread that starts children has to live as long as they do.
            let outputs = await withUnsafeContinuation { continuation in
                startThread(for: "to start processes with") {
                    // Other tests start children, too, so that the turns seen here may be any.
                    var outputs: [[UInt8]] = []
                    while Set(outputs.compactMap { try? processors(of: $0) }).count < all.count,
                        outputs.count < 50 * all.count
                    {
                        outputs.append(output(ofScript: script))
                    }
                    continuation.resume(returning: outputs)
                }
            }
            let places = try outputs.map { try processors(of: $0) }
            #expect(places.allSatisfy { $0.count == 1 && all.isSuperset(of: $0) })
            #expect(Set(places).count == all.count)
        }
    }
}

/// What a shell writes that runs a script, started as a child with one thread.
private func output(ofScript path: String) -> [UInt8] {
    var ends: [Int32] = [-1, -1], lifeline: [Int32] = [-1, -1]
    guard czproc_pipe(&ends) == 0, czproc_pipe(&lifeline) == 0 else { return [] }
    defer { for descriptor in [ends[0]] + lifeline { close(descriptor) } }
    var pid: pid_t = 0
    "/bin/bash".withCString { shell in
        // Which is read by a shell that nobody talks to.
        "BASH_ENV=\(path)".withCString { change in
            let changes: [UnsafePointer<CChar>?] = [change, nil]
            changes.withUnsafeBufferPointer { changes in
                var launch = czproc_launch()
                launch.path = shell
                launch.argument = shell
                launch.name = shell
                launch.lifeline = lifeline[0]
                launch.roll = -1
                launch.threads = 1
                launch.environment = changes.baseAddress
                launch.output = ends[1]
                launch.error = -1
                _ = czproc_spawn(&launch, &pid)
            }
        }
    }
    close(ends[1])
    var bytes: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = read(ends[0], &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
    if pid > 0 { waitpid(pid, nil, 0) }
    return bytes
}

private func status(_ path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(descriptor, &bytes, bytes.count)
    return Array(bytes.prefix(max(0, count)))
}

/// The processors that a process may use, by its status: `Cpus_allowed_list:	0-1,3`.
private func processors(of status: [UInt8]) throws -> Set<Int> {
    let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix("Cpus_allowed_list:") })
    let ranges = line.drop { !$0.isNumber }.split(separator: ",").map {
        $0.split(separator: "-").compactMap { Int($0) }
    }
    return Set(ranges.flatMap { range in Array((range.first ?? 0)...(range.last ?? 0)) })
}
