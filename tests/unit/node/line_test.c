/* tests/unit/node/line_test.c - who goes when, and what an engine's deaths are put down to. */
#include "unit/node/line_scene.h"

/* -- turns -- */

static void slots_are_given_as_they_come_free(void **state)
{
    (void)state;
    begin(8);
    join(4);
    assert_int_equal(scene.wanted, 4);
    assert_string_equal(running(), "");
    assert_int_equal(info().waiting, 4);
    come_back(2);
    assert_string_equal(running(), "01");
    assert_int_equal(info().slots, 2);
    pass(2 * WEFT_SECOND);
    weft_line_sign(&scene.guests[0].place);
    weft_line_leave(&scene.guests[1].place);
    pass(0);
    assert_string_equal(running(), "02");
    assert_int_equal(scene.guests[3].told, 2);
    assert_int_equal(scene.guests[3].ahead, 1);
    weft_line_leave(&scene.guests[3].place); /* hangs up */
    assert_int_equal(info().waiting, 0);
    assert_int_equal(info().running, 2);
    end();
}

static void end_choices(size_t i, int count)
{
    for (int k = 0; k < count; k++) {
        weft_line_choice_ended(&scene.guests[i].place);
    }
    pass(0);
}

/* One free slot is enough to go; the other choices take theirs before anybody else goes. */
static void choices_take_slots(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    assert_int_equal(join_as(0, 1, 3, WEFT_SECOND), 0);
    assert_int_equal(join_as(1, 2, 2, WEFT_SECOND), 0);
    assert_int_equal(join_as(2, 3, 1, 100 * WEFT_SECOND), 0);
    pass(0);
    assert_string_equal(running(), "01");
    end_choices(0, 1); /* for the second choice of the other one */
    assert_string_equal(running(), "01");
    end_choices(0, 1);
    assert_string_equal(running(), "012");
    assert_int_equal(join_as(3, 4, 1, 100 * WEFT_SECOND), 0);
    pass(0);
    assert_string_equal(running(), "012");
    end_choices(0, 2); /* its last one, and one that it did not ask for */
    assert_string_equal(running(), "0123");
    weft_line_leave(&scene.guests[0].place); /* it has no slot to leave */
    assert_int_equal(join_as(4, 5, 1, 100 * WEFT_SECOND), 0);
    pass(0);
    assert_string_equal(running(), "123");
    weft_line_leave(&scene.guests[1].place); /* hangs up: both are free */
    pass(0);
    assert_string_equal(running(), "234");
    end();
}

static void who_wants_more_than_there_is_goes_too(void **state)
{
    (void)state;
    begin(8);
    come_back(2);
    assert_int_equal(join_as(0, 1, 1, WEFT_SECOND), 0);
    assert_int_equal(join_as(1, 2, 5, WEFT_SECOND), 0);
    assert_int_equal(join_as(2, 3, 1, 100 * WEFT_SECOND), 0);
    pass(0);
    assert_string_equal(running(), "01");
    weft_line_leave(&scene.guests[0].place);
    pass(0);
    assert_string_equal(running(), "1");
    end_choices(1, 3); /* two are left */
    assert_string_equal(running(), "1");
    end_choices(1, 1);
    assert_string_equal(running(), "12");
    end();
}

/* It begins again with all of its choices: the engine says at once of which it is told that they are complete. */
static void choices_that_were_cut_take_slots_again(void **state)
{
    (void)state;
    begin(8);
    come_back(2);
    assert_int_equal(join_as(0, 1, 3, WEFT_SECOND), 0);
    assert_int_equal(join_as(1, 2, 1, 100 * WEFT_SECOND), 0);
    pass(0);
    get_on(0, 1);
    end_choices(0, 1);
    (void)end_engine(false);
    end_choices(0, 1); /* heard too late */
    come_back(2);
    pass(WEFT_SECOND);
    assert_string_equal(running(), "0");
    end_choices(0, 1);
    assert_string_equal(running(), "0");
    end_choices(0, 1);
    assert_string_equal(running(), "01");
    end();
}

static void who_waits_too_long_is_told(void **state)
{
    (void)state;
    begin(8);
    come_back(1);
    assert_int_equal(join_as(0, 1, 1, 300 * WEFT_SECOND), 0);
    pass(0);
    assert_int_equal(join_as(1, 2, 1, 5 * WEFT_SECOND), 0);
    pass(4 * WEFT_SECOND);
    assert_false(scene.guests[1].is_out);
    weft_line_sign(&scene.guests[0].place);
    pass(WEFT_SECOND + WEFT_LINE_TICK);
    assert_true(scene.guests[1].is_out);
    assert_int_equal(scene.guests[1].out, WEFT_LINE_EXPIRED);
    assert_int_equal(info().expired, 1);
    assert_string_equal(running(), "0"); /* who runs has no deadline */
    end();
}

/* Its engine is gone, and none comes: others keep the memory, perhaps. */
static void who_was_cut_does_not_wait_for_ever_either(void **state)
{
    (void)state;
    begin(8);
    come_back(2);
    assert_int_equal(join_as(0, 100, 1, WEFT_SECOND), 0);
    pass(WEFT_LINE_AGAIN_MAX); /* that it runs is no waiting */
    (void)end_engine(false);
    pass(WEFT_LINE_AGAIN_MAX - 2 * WEFT_SECOND);
    assert_false(scene.guests[0].is_out);
    pass(2 * WEFT_SECOND);
    assert_true(scene.guests[0].is_out);
    assert_int_equal(scene.guests[0].out, WEFT_LINE_EXPIRED);
    assert_int_equal(info().expired, 1);
    end();
}

static void a_full_line_says_so(void **state)
{
    (void)state;
    begin(2);
    join(2);
    assert_int_equal(join_as(2, 7, 1, WEFT_SECOND), WEFT_ERR_FULL);
    assert_int_equal(info().full, 1);
    weft_line_leave(&scene.guests[0].place);
    assert_int_equal(join_as(2, 7, 1, WEFT_SECOND), 0);
    end();
}

static void an_estimate_comes_from_what_answers_took(void **state)
{
    (void)state;
    begin(8);
    come_back(1);
    join(3);
    assert_true(info().estimate == WEFT_NEVER);
    for (int i = 0; i < 4; i++) {
        pass(2 * WEFT_SECOND);
        weft_line_sign(&scene.guests[0].place);
    }
    finish(0); /* 8 s */
    pass(WEFT_SECOND);
    assert_string_equal(running(), "1");
    assert_int_equal(scene.guests[2].ahead, 0);
    assert_true(scene.guests[2].estimate == 8 * WEFT_SECOND);
    assert_true(info().estimate == 16 * WEFT_SECOND);
    end();
}

static void who_hangs_up_says_nothing_of_what_answers_take(void **state)
{
    (void)state;
    begin(8);
    come_back(1);
    join(5);
    pass(WEFT_SECOND);
    weft_line_leave(&scene.guests[0].place);
    pass(WEFT_SECOND);
    assert_true(info().estimate == WEFT_NEVER); /* no answer is complete yet */
    for (int i = 0; i < 7; i++) {
        pass(WEFT_SECOND);
        weft_line_sign(&scene.guests[1].place);
    }
    finish(1);
    pass(WEFT_SECOND);
    weft_line_leave(&scene.guests[2].place);
    pass(0);
    assert_string_equal(running(), "3");
    assert_true(info().estimate == 16 * WEFT_SECOND);
    end();
}

/* Two principals, one with many requests: each gets every other turn. */
static void turns_are_fair(void **state)
{
    (void)state;
    begin(40);
    come_back(1);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(join_as(i, i < 5 ? 1 : 2, 1, 300 * WEFT_SECOND), 0);
    }
    int turns[2] = {0};
    for (int i = 0; i < 6; i++) {
        pass(0);
        size_t who = (size_t)(running()[0] - '0');
        turns[who >= 5]++;
        pass(WEFT_SECOND);
        weft_line_leave(&scene.guests[who].place);
    }
    assert_int_equal(turns[0], 3);
    assert_int_equal(turns[1], 3);
    end();
}

static void a_model_that_is_given_up_turns_all_away(void **state)
{
    (void)state;
    begin(8);
    join(2);
    weft_line_give_up(scene.line);
    pass(0);
    assert_true(scene.guests[0].is_out && scene.guests[0].out == WEFT_LINE_GIVEN_UP);
    assert_true(scene.guests[1].is_out);
    assert_int_equal(join_as(2, 1, 1, WEFT_SECOND), WEFT_ERR_CLOSED);
    end();
}

/* -- deaths -- */

static void one_that_ran_alone_collects_strikes(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(1);
    assert_int_equal(join_as(1, 9, 1, 300 * WEFT_SECOND), 0);
    for (int i = 0; i < WEFT_LINE_STRIKES_MAX; i++) {
        if (i == 0) {
            weft_line_leave(&scene.guests[1].place); /* has not gone yet */
        }
        assert_string_equal(running(), "0");
        assert_true(die());
        if (i == 0) {
            assert_int_equal(join_as(1, 9, 1, 300 * WEFT_SECOND), 0);
        }
        come_back(4);
    }
    assert_true(scene.guests[0].is_out);
    assert_int_equal(scene.guests[0].out, WEFT_LINE_STRUCK);
    assert_int_equal(info().strikes, 3);
    assert_string_equal(running(), "1");                                /* who waited behind it */
    assert_int_equal(join_as(0, 100, 1, WEFT_SECOND), WEFT_ERR_DENIED); /* it is known */
    assert_int_equal(join_as(2, 100, 1, WEFT_SECOND), 0);               /* others of the same client are not */
    assert_int_equal(info().struck, 2);
    end();
}

/* A strike is forgotten when it gets on. */
static void who_gets_on_is_cleared(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(1);
    for (int i = 0; i < 10; i++) {
        assert_true(die());
        come_back(4);
        get_on(0, WEFT_LINE_CLEARED);
    }
    assert_false(scene.guests[0].is_out);
    assert_string_equal(running(), "0");
    end();
}

static void several_go_one_at_a_time(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(3);
    assert_string_equal(running(), "012");
    get_on(1, 1);
    assert_true(die()); /* something had been written */
    assert_int_equal(join_as(3, 1, 1, 300 * WEFT_SECOND), 0);
    come_back(4);
    assert_string_equal(running(), "0");
    get_on(0, 1);
    assert_string_equal(running(), "01");
    weft_line_leave(&scene.guests[1].place); /* its end is as good as a token */
    pass(0);
    assert_string_equal(running(), "02");
    pass(WEFT_SECOND);
    assert_string_equal(running(), "02"); /* nobody between them */
    get_on(2, 1);
    assert_string_equal(running(), "023");
    assert_int_equal(info().strikes, 0);
    end();
}

/* A hang is the machine's doing more often than a request's: only the next one makes suspects. */
static void after_a_hang_all_go_on_together(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(3);
    for (int i = 0; i < 2; i++) {
        get_on(i == 0 ? 0 : 1, 1);
        pass(STALL + WEFT_SECOND);
        assert_int_equal(scene.stalled, i + 1);
        assert_true(die());
        come_back(4);
        assert_string_equal(running(), i == 0 ? "012" : "0");
    }
    get_on(0, WEFT_LINE_CLEARED);
    assert_string_equal(running(), "01");
    get_on(1, WEFT_LINE_CLEARED);
    get_on(2, WEFT_LINE_CLEARED);
    pass(STALL + WEFT_SECOND);
    assert_true(die()); /* long after: a first one again */
    come_back(4);
    assert_string_equal(running(), "012");
    get_on(0, WEFT_LINE_CLEARED - 1);
    assert_true(die()); /* and a crash soon after a hang is one of suspects */
    come_back(4);
    assert_string_equal(running(), "0");
    assert_int_equal(info().strikes, 0);
    end();
}

/* A death while they go one at a time: then each goes alone, and the one that kills alone is struck. */
static void then_each_goes_alone(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(3);
    get_on(0, 1);
    assert_true(die());
    come_back(4);
    get_on(0, 1);
    assert_string_equal(running(), "01");
    assert_true(die()); /* 1 is what kills */
    come_back(4);
    assert_string_equal(running(), "0");
    get_on(0, WEFT_LINE_TRIAL - 1);
    assert_string_equal(running(), "0");
    get_on(0, 1);
    assert_string_equal(running(), "1"); /* it has given way */
    assert_int_equal(scene.guests[0].backs, 1);
    assert_true(die());
    come_back(4);
    assert_string_equal(running(), "2"); /* under suspicion too, with fewer strikes */
    get_on(2, WEFT_LINE_TRIAL);
    for (int i = 1; i < WEFT_LINE_STRIKES_MAX; i++) {
        assert_string_equal(running(), "1");
        assert_true(die());
        come_back(4);
    }
    assert_true(scene.guests[1].is_out && scene.guests[1].out == WEFT_LINE_STRUCK);
    assert_string_equal(running(), "02");
    assert_int_equal(info().strikes, 3);
    assert_int_equal(scene.guests[2].place.strikes + scene.guests[0].place.strikes, 0);
    end();
}

/* While somebody under suspicion does not read, all others have their turn: also those who must go alone; only its
 * slot is not theirs. */
static void a_suspect_who_does_not_read_holds_nobody(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(3);
    (void)die();
    come_back(4);
    get_on(0, 1);
    (void)die();
    come_back(1);
    assert_string_equal(running(), "0");
    weft_line_pause(&scene.guests[0].place, true);
    pass(WEFT_SECOND);
    assert_string_equal(running(), "0"); /* the engine has no other slot */
    weft_line_pause(&scene.guests[0].place, false);
    (void)end_engine(false);
    come_back(4);
    assert_string_equal(running(), "0");
    weft_line_pause(&scene.guests[0].place, true);
    assert_int_equal(join_as(3, 1, 1, 300 * WEFT_SECOND), 0);
    pass(WEFT_SECOND);
    assert_string_equal(running(), "01");
    get_on(1, WEFT_LINE_TRIAL);
    assert_string_equal(running(), "02");
    (void)die();
    assert_int_equal(info().strikes, 0); /* it was not quite alone */
    come_back(4);
    assert_string_equal(running(), "02");
    assert_true(scene.guests[0].place.life < scene.guests[2].place.life); /* who does not read has yet to hear of it */
    weft_line_pause(&scene.guests[0].place, false);
    weft_line_again(&scene.guests[0].place, true);
    pass(WEFT_SECOND);
    assert_string_equal(running(), "2"); /* alone, this time */
    get_on(2, WEFT_LINE_CLEARED);
    assert_string_equal(running(), "0"); /* the other suspect's turn */
    get_on(0, WEFT_LINE_CLEARED);
    assert_string_equal(running(), "0123");
    end();
}

/* A second time alone takes longer, and the one with fewer strikes goes first. */
static void each_goes_alone_in_turn(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(2);
    (void)die();
    come_back(4);
    get_on(0, 1);
    (void)die();
    come_back(4);
    assert_string_equal(running(), "0");
    assert_true(die()); /* a strike */
    come_back(4);
    assert_string_equal(running(), "1");
    get_on(1, WEFT_LINE_TRIAL);
    assert_string_equal(running(), "0");
    get_on(0, WEFT_LINE_TRIAL);
    assert_string_equal(running(), "01");
    assert_int_equal(scene.guests[0].place.strikes, 1);
    get_on(0, WEFT_LINE_CLEARED);
    assert_int_equal(scene.guests[0].place.strikes, 0);
    get_on(1, 1);
    (void)die();
    come_back(4);
    assert_string_equal(running(), "0");
    get_on(0, 1);
    (void)die();
    come_back(4);
    assert_string_equal(running(), "0");
    get_on(0, WEFT_LINE_CLEARED - 1);
    assert_string_equal(running(), "0");
    get_on(0, 1);
    assert_string_equal(running(), "1");
    end();
}

/* A death while the first of several is tried: it has a strike, but the others are not clear either, and go before it.
 */
static void deaths_by_chance_do_not_meet_the_same_one(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(3);
    (void)die();
    come_back(4);
    assert_string_equal(running(), "0");
    (void)die();
    come_back(4);
    assert_string_equal(running(), "1");
    (void)die();
    come_back(4);
    assert_string_equal(running(), "2");
    (void)die();
    come_back(4);
    assert_string_equal(running(), "0");
    assert_int_equal(info().strikes, 3);
    assert_int_equal(info().struck, 0);
    end();
}

static void a_kill_from_outside_is_nobodys_fault(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(3);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(end_engine(false), i > 0); /* the first engine had written nothing */
        come_back(4);
        assert_string_equal(running(), "012");
        get_on(1, 1);
    }
    weft_line_leave(&scene.guests[0].place);
    weft_line_leave(&scene.guests[1].place);
    assert_true(end_engine(false));
    come_back(4);
    assert_string_equal(running(), "2");
    assert_int_equal(info().strikes, 0);
    end();
}

/* An engine that ends by itself, or before it has written anything for several, counts against itself. */
static void deaths_that_nobody_caused_count(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    assert_false(die());
    come_back(4);
    join(2);
    assert_false(die());
    end();
}

/* The next engine ends while it loads: that is nobody's doing, and what the one before had written excuses it not. */
static void deaths_in_a_load_count_too(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(1);
    get_on(0, 1);
    assert_true(die());
    for (int i = 0; i < WEFT_LINE_STRIKES_MAX; i++) {
        assert_false(die());
        assert_false(end_engine(false));
    }
    assert_int_equal(info().strikes, 1);
    come_back(4);
    assert_string_equal(running(), "0");
    end();
}

/* -- silence -- */

static void an_engine_that_is_silent_is_ended(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(2);
    pass(WEFT_LINE_TICK / 2 + 3 * WEFT_MS); /* between two ticks */
    weft_line_sign(&scene.guests[0].place);
    weft_line_sign(&scene.guests[1].place);
    pass(STALL - 10 * WEFT_MS);
    assert_int_equal(scene.stalled, 0);
    pass(20 * WEFT_MS); /* and not at the next one */
    assert_int_equal(scene.stalled, 1);
    pass(60 * WEFT_SECOND);
    assert_int_equal(scene.stalled, 1); /* it is said once */
    assert_int_equal(scene.guests[0].backs, 0);
    (void)die();
    come_back(4);
    pass(STALL + WEFT_SECOND);
    assert_int_equal(scene.stalled, 2);
    end();
}

/* Their last signs came at different times, and the engine hangs since then: none of them is the one that is silent. */
static void an_engine_is_silent_as_a_whole(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(4);
    for (size_t i = 0; i < 4; i++) {
        pass(900 * WEFT_MS);
        weft_line_sign(&scene.guests[i].place);
    }
    pass(STALL - WEFT_SECOND);
    assert_int_equal(scene.stalled, 0);
    pass(2 * WEFT_SECOND);
    assert_int_equal(scene.stalled, 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(scene.guests[i].backs, 0);
    }
    end();
}

static void one_answer_that_is_silent_is_taken_up_again(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(2);
    for (int i = 0; i < 15; i++) {
        pass(WEFT_SECOND);
        weft_line_sign(&scene.guests[0].place);
    }
    assert_int_equal(scene.stalled, 0);
    assert_int_equal(scene.guests[0].backs, 0);
    assert_int_equal(scene.guests[1].stalls, 1);
    assert_string_equal(running(), "01");
    assert_int_equal(scene.guests[1].went, 2);
    end();
}

static void a_slow_reader_is_no_silent_engine(void **state)
{
    (void)state;
    begin(8);
    come_back(4);
    join(1);
    weft_line_pause(&scene.guests[0].place, true);
    pass(100 * WEFT_SECOND);
    assert_int_equal(scene.stalled, 0);
    weft_line_pause(&scene.guests[0].place, false);
    pass(STALL - WEFT_SECOND);
    assert_int_equal(scene.stalled, 0);
    pass(2 * WEFT_SECOND);
    assert_int_equal(scene.stalled, 1);
    end();
}

/* A node that was stopped, or slept, finds nobody silent and nobody late. */
static void time_in_which_the_node_does_not_run_does_not_count(void **state)
{
    (void)state;
    begin(8);
    come_back(1);
    join(2);
    for (int i = 0; i < 5; i++) {
        pass(WEFT_SECOND);
        scene.loop.turn.now += 3600 * WEFT_SECOND;
        pass(0);
    }
    assert_int_equal(scene.stalled, 0);
    assert_false(scene.guests[1].is_out);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_given_as_they_come_free),
        cmocka_unit_test(choices_take_slots),
        cmocka_unit_test(who_wants_more_than_there_is_goes_too),
        cmocka_unit_test(choices_that_were_cut_take_slots_again),
        cmocka_unit_test(who_waits_too_long_is_told),
        cmocka_unit_test(who_was_cut_does_not_wait_for_ever_either),
        cmocka_unit_test(a_full_line_says_so),
        cmocka_unit_test(an_estimate_comes_from_what_answers_took),
        cmocka_unit_test(who_hangs_up_says_nothing_of_what_answers_take),
        cmocka_unit_test(turns_are_fair),
        cmocka_unit_test(a_model_that_is_given_up_turns_all_away),
        cmocka_unit_test(one_that_ran_alone_collects_strikes),
        cmocka_unit_test(who_gets_on_is_cleared),
        cmocka_unit_test(several_go_one_at_a_time),
        cmocka_unit_test(after_a_hang_all_go_on_together),
        cmocka_unit_test(then_each_goes_alone),
        cmocka_unit_test(a_suspect_who_does_not_read_holds_nobody),
        cmocka_unit_test(each_goes_alone_in_turn),
        cmocka_unit_test(deaths_by_chance_do_not_meet_the_same_one),
        cmocka_unit_test(a_kill_from_outside_is_nobodys_fault),
        cmocka_unit_test(deaths_that_nobody_caused_count),
        cmocka_unit_test(deaths_in_a_load_count_too),
        cmocka_unit_test(an_engine_that_is_silent_is_ended),
        cmocka_unit_test(an_engine_is_silent_as_a_whole),
        cmocka_unit_test(one_answer_that_is_silent_is_taken_up_again),
        cmocka_unit_test(a_slow_reader_is_no_silent_engine),
        cmocka_unit_test(time_in_which_the_node_does_not_run_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
