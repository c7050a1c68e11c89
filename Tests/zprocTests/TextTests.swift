// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Only a debug build lets tests see the inside of a program.
#if DEBUG
import Testing
import ZProc

@testable import zproc

/// What people see.
@Suite struct TextTests {
    @Test(arguments: [
        (0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1_536, "1.5 KiB"), (1_048_575, "1.0 MiB"),
        (12_897_485, "12.3 MiB"), (1 << 40, "1.0 TiB"), (Int.max, "8.0 EiB"),
    ])
    func bytesHaveAUnit(_ count: Int, _ text: String) { #expect(Text.bytes(count) == text) }

    @Test(arguments: [
        (0, "0 s"), (0.000_21, "0.21 ms"), (0.012_3, "12 ms"), (0.999_9, "1.0 s"), (12.34, "12.3 s"),
        (59.97, "1 min 0 s"),
        (192, "3 min 12 s"), (3_600, "1 h 0 min"), (86_399, "23 h 59 min"), (273_600, "3 d 4 h"), (-1, "?"),
        (.nan, "?"),
    ])
    func timesHaveAUnit(_ seconds: Double, _ text: String) { #expect(Text.duration(seconds) == text) }

    @Test func nothingSteersATerminal() {
        #expect(Text.printable("a\nb\tc\u{1b}[2Jd\u{9b}e\u{202e}f") == "a b c\u{fffd}[2Jd\u{fffd}e\u{fffd}f")
        #expect(Failure("two\nlines\u{7}").line == "zproc: two lines\u{fffd}")
    }

    @Test func tablesAreEvenForPeopleAndTabbedForTools() {
        var table = Table(.init(title: "PID", isNumber: true), .init(title: "NAME"))
        table.add("7", "hub")
        table.add("1234", "a\tworker")
        #expect(table.lines(.plain) == [" PID  NAME", "   7  hub", "1234  a worker"])
        #expect(table.tabbed == "7\thub\n1234\ta worker\n")
        #expect(table.lines(Style(hasColours: true))[0] == "\u{1b}[1m PID  NAME\u{1b}[0m")
    }

    @Test func linesFitTheTerminal() {
        let lines = ["\u{1b}[1mabcdef\u{1b}[0m", "abc", "more"]
        #expect(Screen.fit(lines, rows: 2, columns: 3) == ["\u{1b}[1mabc\u{1b}[0m\u{1b}[0m", "abc"])
    }

    private func sample(_ cpu: [Int: Double], at second: Double) -> TopFrame.Sample {
        let start = ContinuousClock.now
        return TopFrame.Sample(
            address: "ipc:///hub",
            hub: HubInfo(cpu: cpu),
            roundTrip: 0.001,
            processes: cpu.sorted { $0.key < $1.key }.map { pid, time in
                ProcessInfo(pid: pid, time: time)
            },
            instant: start.advanced(by: .seconds(second))
        )
    }

    @Test func topShowsTheBusiestFirst() {
        let first = sample([1: 10, 2: 1, 3: 4], at: 0)
        let shares = { (frame: TopFrame) in frame.lines(.plain).dropFirst(4).map { $0.split(separator: " ")[0...1] } }
        // Of 100 seconds of life.
        #expect(shares(TopFrame(first, since: nil)).map { $0.joined(separator: " ") } == ["1 10.0", "3 4.0", "2 1.0"])
        var second = sample([1: 10, 2: 2, 4: 50], at: 0)
        second.instant = first.instant.advanced(by: .seconds(2))
        #expect(
            shares(TopFrame(second, since: first)).map { $0.joined(separator: " ") } == ["2 50.0", "4 50.0", "1 0.0"]
        )
        #expect(TopFrame(first, since: nil).lines(.plain)[1].hasPrefix("1 client  2 calls in flight  3 namespaces"))
    }

    @Test func errorsHaveTheirStatus() {
        #expect(Failure(TransportError(.unreachable, "x")).status == .unreachable)
        #expect(Failure(TransportError(.peerGone, "x")).status == .unreachable)
        #expect(Failure(TransportError(.refused, "x")).status == .forbidden)
        #expect(Failure(TransportError(.invalidEndpoint, "x")).status == .usage)
        #expect(Failure(TransportError(.addressInUse, "x")) == Failure("x", status: .failed))
        #expect(Failure(JSONError("x")) == Failure("x", status: .failed))
    }

    @Test func negativeNumbersAreValues() {
        let protected = ZProcCommand.protectingNumbers
        #expect(
            protected(["state", "set", "a", "-5", "--namespace", "b"]) == [
                "state", "set", "a", "--namespace", "b", "--", "-5",
            ]
        )
        for same in [["state", "set", "a", "--", "-5"], ["state", "set", "a", "5", "--string"], ["ping", "-5"]] {
            #expect(protected(same) == same)
        }
    }
}

extension HubInfo {
    /// As it would be read from a hub: the library alone makes such values.
    fileprivate init(cpu: [Int: Double]) {
        let fields: Value = [
            "processID": 1, "version": "0.1.0", "protocolVersion": 1, "build": "b", "uptime": 5.0, "clients": 1,
            "callsInFlight": 2, "namespaces": 3,
        ]
        self = try! fields.decode()
    }
}

extension ZProc.ProcessInfo {
    fileprivate init(pid: Int, time: Double) {
        let fields: Value = [
            "processID": .int(Int64(pid)), "name": "worker", "processorTime": .double(time), "memory": 1_024,
            "uptime": 100.0,
        ]
        self = try! fields.decode()
    }
}
#endif
