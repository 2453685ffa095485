//! Runs the simulation: one seed with its trace, or many with a summary.

use std::process::ExitCode;
use std::time::Instant;

use highwater_sim::{Failure, Options, Report, run, tally};

const USAGE: &str = "usage: sim --seed N [--lives L] [--trace]
       sim --seeds A..B [--lives L] [--quiet]
       (two thousand seeds or more fail also when something that they are run for never happened in them)

  --seed N      one run; a failure is printed with the end of its trace
  --trace       print all that happened, also when nothing failed
  --seeds A..B  one run for each seed; stops at the first failure
  --lives L     lives of a process in one run, at most (default 8)
  --quiet       no progress";

/// Seeds between two lines of progress.
const PROGRESS_EVERY: u64 = 500;

/// Seeds in which everything that a run is made for must have happened.
const ENOUGH: u64 = 2000;

/// Lines of the trace that are printed of a failure nobody asked the trace of.
const TRACE_TAIL: usize = 60;

struct Arguments {
    first: u64,
    end: u64,
    lives: u64,
    trace: bool,
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(arguments) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if arguments.end - arguments.first == 1 && arguments.trace {
        return replay(&arguments);
    }
    many(&arguments)
}

fn parse(arguments: &[String]) -> Option<Arguments> {
    let mut parsed = Arguments { first: 0, end: 0, lives: 8, trace: false, quiet: false };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seed" => {
                parsed.first = rest.next()?.parse().ok()?;
                parsed.end = parsed.first.checked_add(1)?;
            }
            "--seeds" => {
                let (first, end) = rest.next()?.split_once("..")?;
                (parsed.first, parsed.end) = (first.parse().ok()?, end.parse().ok()?);
            }
            "--lives" => parsed.lives = rest.next()?.parse().ok()?,
            "--trace" => parsed.trace = true,
            "--quiet" => parsed.quiet = true,
            _ => return None,
        }
    }
    (parsed.first < parsed.end).then_some(parsed)
}

fn options(seed: u64, arguments: &Arguments, trace: bool) -> Options {
    Options { seed, lives: arguments.lives, trace }
}

fn replay(arguments: &Arguments) -> ExitCode {
    match run(&options(arguments.first, arguments, true)) {
        Ok(report) => {
            report.trace.iter().for_each(|line| println!("{line}"));
            println!("seed {}: nothing broken, {} crashes", arguments.first, report.crashes);
            ExitCode::SUCCESS
        }
        Err(failure) => report_failure(&failure, arguments),
    }
}

fn many(arguments: &Arguments) -> ExitCode {
    let began = Instant::now();
    let mut sum = Report::default();
    for seed in arguments.first..arguments.end {
        match run(&options(seed, arguments, false)) {
            Ok(report) => {
                sum.add(&report);
            }
            Err(failure) => {
                print_sum(&sum, seed - arguments.first, began);
                // The same seed again, with a trace.
                let again = run(&options(seed, arguments, true)).err().unwrap_or(failure);
                return report_failure(&again, arguments);
            }
        }
        let count = seed + 1 - arguments.first;
        if !arguments.quiet && count.is_multiple_of(PROGRESS_EVERY) {
            print_sum(&sum, count, began);
        }
    }
    let seeds = arguments.end - arguments.first;
    print_sum(&sum, seeds, began);
    sum.counts.iter().for_each(|(name, count)| println!("{count:>10} {name}"));
    println!("nothing broken");
    let missing = tally::missing(&sum.counts);
    if seeds >= ENOUGH && !missing.is_empty() {
        println!("FAILED: in {seeds} seeds this never happened: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print_sum(sum: &Report, seeds: u64, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{seeds} seeds, {} crashes, {} steps, {} disk operations, {seconds:.1} s, {:.0} crashes/s",
        sum.crashes,
        sum.steps,
        sum.operations,
        sum.crashes as f64 / seconds.max(0.001)
    );
}

fn report_failure(failure: &Failure, arguments: &Arguments) -> ExitCode {
    let skip = if arguments.trace { 0 } else { failure.trace.len().saturating_sub(TRACE_TAIL) };
    failure.trace.iter().skip(skip).for_each(|line| println!("{line}"));
    println!("FAILED: seed {}: {}", failure.seed, failure.violation.0);
    println!("replay: scripts/sim --seed {} --lives {} --trace", failure.seed, arguments.lives);
    ExitCode::FAILURE
}
