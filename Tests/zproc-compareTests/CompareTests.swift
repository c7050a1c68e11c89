// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import ArgumentParser
import Glibc
import Testing
import ZProcComparison

@testable import zproc_compare

@Suite(.timeLimit(.minutes(5))) struct WorkloadTests {
    /// What the peers' own sequential loop gives.
    private static let expected: [(kind: WorkloadKind, size: Int, result: Int)] = [
        (.counter, 103, 103), (.transfers, 103, 5_049_828), (.wordcount, 4_321, 23_281), (.mandelbrot, 9, 4_740),
        (.pipeline, 211, 66_814),
    ]

    @Test(arguments: expected)
    func loopsGiveWhatPeersGive(_ kind: WorkloadKind, _ size: Int, _ result: Int) {
        #expect(kind.make(size: size, workers: 1).loop() == result)
    }

    @Test(arguments: expected, [1, 3])
    func backendsGiveWhatLoopsGive(
        _ expected: (kind: WorkloadKind, size: Int, result: Int),
        _ workers: Int
    ) async throws {
        let workload = expected.kind.make(size: expected.size, workers: workers)
        for backend in ComparedBackend.allCases {
            let run = try await backend.run { try await workload.run(in: $0) }
            #expect(run.result == expected.result, "\(expected.kind) on \(backend)")
        }
    }

    @Test(arguments: WorkloadKind.allCases)
    func thereIsSomethingToDoForMoreWorkersThanWork(_ kind: WorkloadKind) async throws {
        let workload = kind.make(size: 1, workers: 2)
        let run = try await ComparedBackend.threads.run { try await workload.run(in: $0) }
        #expect(run.result == workload.loop())
    }
}

@Suite struct CompareOptionTests {
    @Test(
        arguments: [
            ("1", .count(1)), ("20000", .count(20_000)), ("10%", .percent(10)), ("0.5%", .percent(0.5)), ("0", nil),
            ("-1", nil), ("0%", nil), ("nan%", nil), ("%", nil), ("", nil), ("1e3", nil), ("99999999999", nil),
        ] as [(String, Size?)]
    )
    func sizes(_ text: String, _ size: Size?) { #expect(Size(argument: text) == size) }

    @Test func peersAreNamedOnceEach() throws {
        #expect(try PeerName.list("") == [])
        #expect(try PeerName.list("ray,redis,ray") == [.ray, .redis])
        #expect(try PeerName.list("all") == PeerName.allCases)
        #expect(throws: ValidationError.self) { try PeerName.list("ray,dask") }
    }

    @Test(arguments: [
        ["--workload", "nothing"], ["--workers", "0"], ["--rounds", "0"], ["--size", "5"], ["--size", "0.0001%"],
        ["--against", "nobody"],
    ])
    func whatCannotBeIsRefused(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try Compare.parse(arguments) }
    }

    @Test func usualOptionsAreTaken() throws {
        _ = try Compare.parse([])
        _ = try Compare.parse(["--workload", "counter", "--size", "5", "--workers", "3", "--against", "all"])
        _ = try Compare.parse(["--size", "5%", "--no-scaling", "--report", "somewhere"])
    }
}

/// The scripts that do the same work; they need Python, and what is tested here nothing else.
@Suite(.timeLimit(.minutes(5)), .enabled(if: Python.isHere, "python3 is not here"))
struct PeerTests {
    private static let scripts =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
        + "/Benchmarks/Peers"

    @Test(arguments: WorkloadKind.allCases)
    func multiprocessingHasTheSameResults(_ kind: WorkloadKind) async throws {
        try await Peer.with([.multiprocessing], in: Self.scripts) { peers, absent in
            #expect(absent.isEmpty)
            let peer = try #require(peers.first), size = kind == .mandelbrot ? 9 : 101
            let run = try await peer.run(kind, size: size, workers: 2)
            #expect(run.result == kind.make(size: size, workers: 2).loop())
            #expect(run.seconds > 0)
        }
    }

    @Test func whatAPeerCannotDoIsSaid() async throws {
        try await Peer.with([.multiprocessingManager], in: Self.scripts) { peers, _ in
            let peer = try #require(peers.first)
            await #expect(throws: Unsupported.self) { try await peer.run(.wordcount, size: 1, workers: 1) }
            // It goes on.
            #expect(try await peer.run(.counter, size: 10, workers: 2).result == 10)
        }
    }

    @Test func aScriptThatIsNotThereIsAbsent() async throws {
        try await Peer.with([.multiprocessing, .ray], in: "/nowhere") { peers, absent in
            #expect(peers.isEmpty)
            #expect(absent.map(\.name) == [.multiprocessing, .ray])
        }
    }
}

private enum Python {
    /// Whether a shell finds it.
    static let isHere = system("command -v python3 >/dev/null 2>&1") == 0
}
#endif
