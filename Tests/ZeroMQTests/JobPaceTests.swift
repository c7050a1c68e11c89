// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

/// Whether jobs are short: what the system tells of the thread that runs them.
@Suite struct JobPaceTests {
    /// A thread that runs jobs.
    private struct Runner {
        var pace = JobPace()
        var usage = JobPace.Usage(processorTime: 5, waits: 7)
        var questions = 0

        /// What is known after each of some jobs that take so long.
        mutating func run(_ jobs: UInt64, nanoseconds: UInt64, waits: UInt64 = 0, own: UInt64 = 0) -> [Bool] {
            var answers: [Bool] = []
            for _ in 0..<jobs {
                for _ in 0..<own { pace.waits() }
                usage.processorTime += nanoseconds
                usage.waits += waits + own
                let answer = pace.jobsEnded(1) {
                    questions += 1
                    return usage
                }
                if let answer { answers.append(answer) }
            }
            return answers
        }
    }

    @Test func jobsOfFewMicrosecondsAreShort() {
        var runner = Runner()
        #expect(runner.run(5_000, nanoseconds: JobPace.short - 1_000).allSatisfy { $0 })
        #expect(runner.run(5_000, nanoseconds: JobPace.short + 1_000).suffix(3) == [false, false, false])
        #expect(runner.run(5_000, nanoseconds: 1_000).suffix(3) == [true, true, true])
        // The system is asked now and then only.
        #expect(runner.questions < 15_000 / 60)
    }

    /// Nobody has to wait for five hundred of them.
    @Test func longJobsAreFoundSoon() {
        var runner = Runner()
        _ = runner.run(5_000, nanoseconds: 1_000)
        #expect(runner.run(JobPace.jobsBeforeLook * 2, nanoseconds: 1_000_000).first == false)
    }

    /// What has come is taken in for many jobs at once.
    @Test func oneLongPauseAmongShortJobsTellsNothing() {
        var runner = Runner()
        for _ in 0..<20 {
            _ = runner.run(1, nanoseconds: 2_000_000)
            #expect(runner.run(JobPace.enoughJobs, nanoseconds: 3_000).allSatisfy { $0 })
        }
    }

    @Test func jobsThatBlockAreNotShort() {
        var runner = Runner()
        #expect(runner.run(5_000, nanoseconds: 1_000, waits: 1).contains(true) == false)
        // The loop's own waits are no job's.
        #expect(runner.run(5_000, nanoseconds: 1_000, own: 1).suffix(3) == [true, true, true])
    }
}
