// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import ZProcComparison

/// What the figures were measured on.
struct Machine: Codable {
    /// The processor's name.
    var processor: String
    /// How many processors this process may use.
    var processors: Int
    /// All memory, in bytes.
    var memory: Int
    /// The system and its version.
    var system: String
    var compiler: String

    static var current: Machine {
        let processor = text("/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
        var name = utsname()
        uname(&name)
        return Machine(
            processor: processor?.split(separator: ":").last.map { String($0.drop { $0 == " " }) } ?? "unknown",
            processors: ProcessInfo.processInfo.activeProcessorCount,
            memory: Int(ProcessInfo.processInfo.physicalMemory),
            system: "\(string(name.sysname)) \(string(name.release)), \(string(name.machine))",
            compiler: swiftVersion
        )
    }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    private static func string<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static var swiftVersion: String {
        #if compiler(>=6.4)
        "Swift 6.4 or later"
        #elseif compiler(>=6.3)
        "Swift 6.3"
        #else
        "Swift 6.2"
        #endif
    }

    var description: String {
        let gibibytes = formatted((Double(memory) / 1_073_741_824).rounded())
        return "\(processor), \(processors) processors, \(gibibytes) GiB, \(system), \(compiler)"
    }
}
