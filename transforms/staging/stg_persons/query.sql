-- What a person did in a scope in a month: the first of two levels, from which every distinct count is a plain count.
--
-- Definition   the marks of all the person's rows there and then, put together; see stg_told
-- Grain        one row per (scope_no, user_no, jalali_no, gregorian_no)
-- Leaves out   rows without a person
-- Not          kept: computed of one scope at a time, or of the persons whom a change touched
SELECT
    scope_no,
    user_no,
    jalali_no,
    gregorian_no,
    BIT_OR(seen) AS seen,
    BIT_OR(completed) AS completed
FROM stg_scoped
WHERE user_no IS NOT NULL
GROUP BY scope_no, user_no, jalali_no, gregorian_no
