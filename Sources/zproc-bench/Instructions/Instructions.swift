// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Subprocess
import ZProcComparison

/// `zproc-bench instructions`: how many instructions the hot paths take, whatever else the machine does.
struct Instructions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Counts the instructions of the hot paths, with callgrind.",
        discussion: """
            Each path runs some thousand times and twice as often; the difference, divided, is one. Runs of one \
            build differ by less than a hundredth. Needs valgrind and binutils.
            """
    )

    @Option(help: ArgumentHelp("Only the paths whose names begin like this.", valueName: "prefix"))
    var only: String?

    @OptionGroup var gate: GateOptions

    private var paths: [HotPath] { HotPath.allCases.filter { $0.rawValue.hasPrefix(only ?? "") } }

    func validate() throws {
        if paths.isEmpty {
            throw ValidationError(
                "no path begins with '\(only ?? "")'; there are: "
                    + HotPath.allCases.map(\.rawValue).joined(separator: ", ")
            )
        }
    }

    func run() async throws {
        let baseline = try gate.baseline.map { try Baseline<InstructionFigure>(path: $0) }
        let file = try gate.json.map { try OutputFile(path: $0) }
        var figures: [InstructionFigure] = []
        var hasFailed = false
        let directory = try makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let program = try await strippedProgram(in: directory)
        for path in paths {
            let count = try await instructions(of: path, program)
            let figure = InstructionFigure(name: path.rawValue, instructions: count)
            figures.append(figure)
            let columns = [path.rawValue, "\(formatted(Double(figure.instructions))) instructions", path.summary]
            printLine(zip(columns, [18, 22, 0]).map { $0.padding(to: $1) }.joined(separator: "  "))
            guard let baseline else { continue }
            switch baseline.verdict(on: figure, tolerance: gate.tolerance) {
            case .kept: break
            case .new: printError("\(path.rawValue) is not in the baseline")
            case .regressed(let before, let now):
                hasFailed = true
                printError(
                    "\(path.rawValue) takes \(formatted(now)) instructions, and \(formatted(before)) in the baseline"
                )
            }
        }
        try file?.write(try JSONReport.text(of: figures))
        if hasFailed { throw ExitCode.failure }
    }

    /// A copy of this program without debug information, of which valgrind does not know the newest form.
    private func strippedProgram(in directory: String) async throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let copy = "\(directory)/zproc-bench"
        let arguments: Arguments = ["--strip-debug", "-o", copy, own]
        let result = try await Subprocess.run(.name("strip"), arguments: arguments, output: .discarded)
        guard result.terminationStatus.isSuccess else { throw BenchError("strip made no copy of \(own)") }
        return copy
    }

    private func instructions(of path: HotPath, _ program: String) async throws -> Int {
        let count = path.repetitions
        let once = try await total(path, count, program), twice = try await total(path, 2 * count, program)
        return max(0, twice - once) / count
    }

    /// All instructions of a process that does a path so often.
    private func total(_ path: HotPath, _ count: Int, _ program: String) async throws -> Int {
        let role = ChildRole.hotPath(path, count: count)
        let result: ExecutionResult<Void, DiscardedOutput, StringOutput<UTF8>>
        do {
            result = try await Subprocess.run(
                .name("valgrind"),
                // Threads take turns in the order they wait, which is the same each time.
                arguments: [
                    "--tool=callgrind", "--callgrind-out-file=/dev/null", "--fair-sched=yes", program,
                ],
                environment: .inherit.updating([
                    .init(stringLiteral: ChildRole.variable): role.text, "SWIFT_DETERMINISTIC_HASHING": "1",
                ]),
                output: .discarded,
                error: .string(limit: 1 << 20)
            )
        } catch {
            throw BenchError("valgrind, which counts instructions, does not start: \(error)")
        }
        let text = result.standardError
        // ==123== Collected : 456
        let line = text.split(separator: "\n").last { $0.contains("Collected : ") }
        guard result.terminationStatus.isSuccess, let number = line?.split(separator: " ").last.flatMap({ Int($0) })
        else {
            throw BenchError("\(path.rawValue) did not end under valgrind (\(result.terminationStatus)): \(text)")
        }
        return number
    }
}

/// A path's figure as it stands in a file.
struct InstructionFigure: Codable, BaselineFigure {
    var name: String
    var instructions: Int

    var figureName: FigureName { FigureName(name: name, backend: "") }
    var value: Double { Double(instructions) }
    var isRate: Bool { false }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
