// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import ZProcComparison

/// Runs workloads on every backend, and on what else people use.
@main struct Compare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zproc-compare",
        abstract: "Runs the same work on threads, on processes, and on processes that use ZeroMQ for the state, too.",
        discussion: """
            Results are checked to be equal; the program fails when one is not, or a backend cannot run. The workloads: \
            \(WorkloadKind.allCases.map { "\($0.rawValue) (\($0.summary))" }.joined(separator: "; ")).
            """
    )

    @Option(help: ArgumentHelp("What to do: \(WorkloadKind.choices), or all.", valueName: "name"))
    var workload = "all"

    @Option(help: "Among how many workers work is divided; by default as many as there are processors.")
    var workers: Int?

    @Option(
        help: ArgumentHelp(
            "How much to do, in what the workload counts, or in percent of its usual size, such as 10%.",
            valueName: "size"
        )
    )
    var size: Size = .percent(100)

    @Option(help: "How often each is timed.")
    var rounds = 5

    @Option(
        help: ArgumentHelp(
            "Peers to compare with, with commas between: \(PeerName.choices), or all.",
            valueName: "names"
        )
    )
    var against = ""

    @Option(help: ArgumentHelp("Where the scripts of the peers are.", valueName: "directory"))
    var peers = "Tests/Benchmarks/Peers"

    @Option(
        help: ArgumentHelp(
            "Write a report there, as Markdown and JSON with charts, and measure other numbers of workers and other sizes for it.",
            valueName: "directory"
        )
    )
    var report: String?

    @Flag(inversion: .prefixedNo, help: "Measure other numbers of workers and other sizes for the report.")
    var scaling = true

    private var workerCount: Int { workers ?? ProcessInfo.processInfo.activeProcessorCount }

    private func kinds() throws -> [WorkloadKind] {
        if workload == "all" { return WorkloadKind.allCases }
        guard let kind = WorkloadKind(rawValue: workload) else {
            throw ValidationError("there is no workload '\(workload)'; choose \(WorkloadKind.choices), or all")
        }
        return [kind]
    }

    func validate() throws {
        _ = try PeerName.list(against)
        guard 1...1_000 ~= workerCount else { throw ValidationError("--workers must be at least 1 and at most 1000") }
        guard 1...1_000 ~= rounds else { throw ValidationError("--rounds must be at least 1 and at most 1000") }
        if case .count = size, try kinds().count > 1 {
            throw ValidationError("each workload counts something else: give --size in percent, or one --workload")
        }
        for kind in try kinds() where size.count(of: kind) < 1 {
            throw ValidationError("--size leaves \(kind.rawValue) nothing to do")
        }
    }

    func run() async throws {
        #if DEBUG
        printError("this is a debug build; its figures mean little. Build with -c release")
        #endif
        // A peer that ends while it is being asked is an error of that peer.
        signal(SIGPIPE, SIG_IGN)
        if let report { try Report.prepare(report) }
        let kinds = try kinds()
        let isComplete = try await Peer.with(try PeerName.list(against), in: peers) { peers, absent in
            for peer in absent { printError("\(peer.name.rawValue) is absent: \(peer.reason)") }
            var report = Report(date: today, machine: .current, rounds: rounds, absentPeers: absent)
            report.peers = peers.map(\.title)
            for kind in kinds {
                let workload = try await measure(kind, peers)
                printLine(workload.text)
                report.workloads.append(workload)
            }
            if let directory = self.report {
                try report.write(to: directory)
                printLine("the report is \(directory)/report.md")
            }
            return report.workloads.allSatisfy(\.isComplete)
        }
        if !isComplete { throw ExitCode.failure }
    }

    private var today: String {
        Date.now.formatted(.iso8601.year().month().day())
    }

    private func measure(_ kind: WorkloadKind, _ peers: [Peer]) async throws -> WorkloadReport {
        let size = size.count(of: kind)
        let all = Set(peers.map(\.processID))
        var able: [Peer] = [], unsupported: [AbsentPeer] = []
        for peer in peers {
            do {
                // The least there is, to learn whether it can.
                _ = try await peer.run(kind, size: 1, workers: 1)
                able.append(peer)
            } catch let error as Unsupported {
                unsupported.append(AbsentPeer(peer.name, error.reason))
            } catch {
                // It fails once more, where figures say so.
                able.append(peer)
            }
        }
        var report = WorkloadReport(
            kind: kind,
            size: size,
            workers: workerCount,
            comparison: try await compare(kind, size: size, workers: workerCount, rounds: rounds, able, all),
            peers: able.map(\.name.rawValue),
            unsupported: unsupported
        )
        guard scaling, self.report != nil else { return report }
        for workers in Set([1, 2, 4, workerCount]).sorted() {
            let comparison = try await compare(kind, size: size, workers: workers, rounds: 3, [], all)
            report.overWorkers.append(.init(workers: workers, size: size, comparison: comparison))
        }
        for size in [size / 8, size / 4, size / 2, size] where size > 0 {
            let comparison = try await compare(kind, size: size, workers: workerCount, rounds: 3, [], all)
            report.overSize.append(.init(workers: workerCount, size: size, comparison: comparison))
        }
        return report
    }

    private func compare(
        _ kind: WorkloadKind,
        size: Int,
        workers: Int,
        rounds: Int,
        _ peers: [Peer],
        _ peerProcesses: Set<Int>
    ) async throws -> BackendComparison {
        let workload = kind.make(size: size, workers: workers)
        let contestants =
            [.loop] + ComparedBackend.allCases.map(Contestant.backend)
            + peers.map { Contestant.peer(name: $0.name.rawValue, processID: $0.processID) }
        return try await ZProcComparison.compare(
            contestants,
            rounds: rounds,
            operations: kind.operations(size: size).count,
            without: peerProcesses
        ) { contestant in
            switch contestant {
            case .loop: return try await timed { workload.loop() }
            case .backend(let backend): return try await backend.run { try await workload.run(in: $0) }
            case .peer(let name, _):
                guard let peer = peers.first(where: { $0.name.rawValue == name }) else { throw PeerError("no \(name)") }
                return try await peer.run(kind, size: size, workers: workers)
            }
        }
    }
}

extension WorkloadKind {
    static var choices: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

extension PeerName {
    static var choices: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// How much there is to do.
enum Size: Equatable, ExpressibleByArgument, CustomStringConvertible {
    /// In what the workload counts.
    case count(Int)
    /// Of the workload's usual size.
    case percent(Double)

    init?(argument: String) {
        if argument.hasSuffix("%") {
            guard let percent = Double(argument.dropLast()), percent > 0, percent <= 100_000 else { return nil }
            self = .percent(percent)
        } else {
            guard let count = Int(argument), 1...1_000_000_000 ~= count else { return nil }
            self = .count(count)
        }
    }

    var description: String {
        switch self {
        case .count(let count): "\(count)"
        case .percent(let percent): "\(formatted(percent))%"
        }
    }

    func count(of kind: WorkloadKind) -> Int {
        switch self {
        case .count(let count): count
        case .percent(let percent): Int((Double(kind.standardSize) * percent / 100).rounded())
        }
    }
}
