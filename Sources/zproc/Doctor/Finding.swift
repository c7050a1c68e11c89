// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// What `doctor` says of one thing.
struct Finding: Equatable {
    enum Verdict: String { case good, warning, problem }

    /// What was looked at.
    var subject: String
    var verdict: Verdict
    /// What it is like.
    var detail: String
    /// What to do; nil when there is nothing.
    var remedy: String?

    static func good(_ subject: String, _ detail: String) -> Finding {
        Finding(subject: subject, verdict: .good, detail: detail)
    }

    static func warning(_ subject: String, _ detail: String, _ remedy: String) -> Finding {
        Finding(subject: subject, verdict: .warning, detail: detail, remedy: remedy)
    }

    static func problem(_ subject: String, _ detail: String, _ remedy: String) -> Finding {
        Finding(subject: subject, verdict: .problem, detail: detail, remedy: remedy)
    }
}

extension SystemFacts {
    /// Sockets have room for so long a directory.
    private static let longestDirectory = 59
    /// With less than this the state goes to a disk.
    private static let leastMemory: UInt64 = 32 << 20

    var findings: [Finding] { [openFileFinding, processFinding, addressFinding] + directoryFindings + [memoryFinding] }

    private var openFileFinding: Finding {
        let subject = "open files"
        guard let openFiles else { return .good(subject, "any number") }
        let remedy = "run 'ulimit -n 65536' first, or put LimitNOFILE=65536 into the unit"
        if openFiles < 256 { return .problem(subject, "\(openFiles): few clients and processes fit", remedy) }
        if openFiles < 4_096 {
            return .warning(
                subject,
                "\(openFiles): some \(openFiles / 2) clients fit; each takes one, or two for a moment",
                remedy
            )
        }
        return .good(subject, "\(openFiles)")
    }

    private var processFinding: Finding {
        let subject = "processes and threads"
        guard let processes else { return .good(subject, "any number") }
        let remedy =
            "run 'ulimit -u 8192' first, or put TasksMax=8192 into the unit; in a container, raise its pids limit"
        if processes < 128 { return .problem(subject, "\(processes): some ten spawned processes fit", remedy) }
        if processes < 2_048 {
            return .warning(subject, "\(processes): a spawned process takes about ten, for its threads", remedy)
        }
        return .good(subject, "\(processes)")
    }

    private var addressFinding: Finding {
        let subject = "address space"
        guard let addressSpace else { return .good(subject, "unlimited") }
        let size = Text.bytes(Int(clamping: addressSpace))
        let remedy = "run 'ulimit -v unlimited' first: mapping a state takes addresses, not memory"
        if addressSpace < 4 << 30 { return .problem(subject, "\(size): too little to map a state", remedy) }
        if addressSpace < 128 << 30 {
            return .warning(subject, "\(size): a state cannot grow to its full size", remedy)
        }
        return .good(subject, size)
    }

    private var directoryFindings: [Finding] {
        var findings: [Finding] = []
        var chosen: Directory?
        for directory in runtimeDirectories where chosen == nil {
            let why: String? =
                if !directory.exists { "is no directory" } else if !directory.isWritable {
                    "cannot be written to"
                } else if directory.variable != nil, directory.path.utf8.count > Self.longestDirectory {
                    "has \(directory.path.utf8.count) bytes, of at most \(Self.longestDirectory)"
                } else { nil }
            guard let why else {
                chosen = directory
                continue
            }
            if let variable = directory.variable {
                findings.append(
                    .warning(
                        variable,
                        "\(directory.path) \(why), and is not used",
                        "set \(variable) to a short path you can write to"
                    )
                )
            }
        }
        let subject = "runtime directory"
        guard let chosen else {
            let remedy = "set XDG_RUNTIME_DIR or TMPDIR to a directory you can write to, and which only you can enter"
            return findings + [.problem(subject, "there is none: sockets have no place", remedy)]
        }
        if chosen.isOpenToOthers {
            let remedy = "run 'chmod +t \(chosen.path)', or set XDG_RUNTIME_DIR to a directory of your own"
            return findings + [.problem(subject, "others can remove what is in \(chosen.path)", remedy)]
        }
        return findings + [.good(subject, chosen.path)]
    }

    private var memoryFinding: Finding {
        let subject = "/dev/shm"
        let remedy = "mount it larger (mount -o remount,size=1G /dev/shm; in a container --shm-size=1g), or clear it"
        guard let sharedMemory else {
            return .warning(
                subject,
                "is no memory file system: states without a file are kept on a disk, slower",
                remedy
            )
        }
        let (size, free) = (Text.bytes(Int(clamping: sharedMemory.size)), Text.bytes(Int(clamping: sharedMemory.free)))
        let detail = "\(free) of \(size) free"
        if sharedMemory.free < Self.leastMemory {
            return .warning(subject, "\(detail): states without a file are kept on a disk, slower", remedy)
        }
        if sharedMemory.free < 256 << 20 { return .warning(subject, "\(detail): a large state does not fit", remedy) }
        return .good(subject, detail)
    }
}
